"""Access tokens: what is accepted, and every way we know of to be fooled."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from shared.auth import AccessTokenExpired, AccessTokenInvalid, LocalKeys, TokenVerifier, VerificationKey

ISSUER = "https://auth.example/auth/v1"
SECRET = "a legacy secret of at least thirty-two bytes"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_PUBLIC = EC_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def jwk(key: Any, kid: str) -> dict[str, Any]:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
        return public | {"kid": kid, "alg": "ES256", "use": "sig"}
    return json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "alg": "RS256", "use": "sig"}


JWKS = {"keys": [jwk(EC_KEY, "ec"), jwk(RSA_KEY, "rsa")]}


def verifier(legacy_secret: str | None = None) -> TokenVerifier:
    return TokenVerifier(LocalKeys(lambda: JWKS), issuer=ISSUER, legacy_secret=legacy_secret)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    full = {
        "iss": ISSUER,
        "aud": "authenticated",
        "sub": str(uuid4()),
        "iat": now,
        "exp": now + 3600,
        "role": "authenticated",
        "email": "jiwoo@example.com",
        "session_id": str(uuid4()),
        "user_metadata": {"name": "지우", "is_admin": True},
    } | changes
    return {name: value for name, value in full.items() if value is not None}


def signed(key: Any = EC_KEY, algorithm: str = "ES256", kid: str | None = "ec", **changes: Any) -> str:
    headers = {"kid": kid} if kid else {}
    return jwt.encode(claims(**changes), key, algorithm, headers=headers)


def forged(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


async def test_a_token_of_either_asymmetric_algorithm_names_its_person() -> None:
    for key, algorithm, kid in ((EC_KEY, "ES256", "ec"), (RSA_KEY, "RS256", "rsa")):
        user = str(uuid4())
        accepted = await verifier().verify(signed(key, algorithm, kid, sub=user))
        assert (accepted.user_id, accepted.email) == (UUID(user), "jiwoo@example.com")
        assert accepted.metadata["name"] == "지우"


async def test_a_legacy_token_is_accepted_only_where_its_secret_is_configured() -> None:
    token = signed(SECRET, "HS256", None)
    assert (await verifier(SECRET).verify(token)).email == "jiwoo@example.com"
    for refusing in (verifier(), verifier("another secret of at least thirty-two bytes")):
        with pytest.raises(AccessTokenInvalid):
            await refusing.verify(token)


async def test_an_unsigned_token_is_refused_however_none_is_spelled() -> None:
    for spelling in ("none", "None", "NONE", "nOnE", ""):
        for kid in ("ec", "rsa", None):
            token = forged({"alg": spelling, "typ": "JWT", "kid": kid}, claims())
            for judge in (verifier(), verifier(SECRET)):
                with pytest.raises(AccessTokenInvalid):
                    await judge.verify(token)


async def test_a_public_key_is_never_taken_for_a_shared_secret() -> None:
    import hashlib
    import hmac

    for secret in (EC_PUBLIC, EC_PUBLIC.strip(), json.dumps(JWKS["keys"][0]).encode()):
        for kid in ("ec", "rsa", None):
            header = {"alg": "HS256", "typ": "JWT", "kid": kid}
            unsigned = forged(header, claims()).rpartition(".")[0]
            signature = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
            token = f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
            for judge in (verifier(), verifier(SECRET)):
                with pytest.raises(AccessTokenInvalid):
                    await judge.verify(token)


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [
        (RSA_KEY, "RS256", "ec"),
        (EC_KEY, "ES256", "rsa"),
        (RSA_KEY, "RS512", "rsa"),
        (RSA_KEY, "PS256", "rsa"),
        (RSA_KEY, "RS256", "unknown"),
        (EC_KEY, "ES256", None),
        (ec.generate_private_key(ec.SECP256R1()), "ES256", "ec"),
    ],
)
async def test_the_key_decides_the_algorithm(key: Any, algorithm: str, kid: str | None) -> None:
    with pytest.raises(AccessTokenInvalid):
        await verifier(SECRET).verify(signed(key, algorithm, kid))


async def test_keys_that_a_token_brings_along_are_ignored() -> None:
    own = ec.generate_private_key(ec.SECP256R1())
    brought = {"jwk": jwk(own, "own"), "jku": "https://evil.example/jwks.json", "x5u": "https://evil.example/cert"}
    for kid in ("own", "ec"):
        token = jwt.encode(claims(), own, "ES256", headers={"kid": kid, **brought})
        with pytest.raises(AccessTokenInvalid):
            await verifier().verify(token)


@pytest.mark.parametrize("missing", ["exp", "iat", "sub", "aud", "iss", "role"])
async def test_every_claim_we_rely_on_must_be_there(missing: str) -> None:
    with pytest.raises(AccessTokenInvalid):
        await verifier().verify(signed(**{missing: None}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "somebody else"},
        {"aud": ["authenticated", "somebody else"]},
        {"iss": "https://evil.example/auth/v1"},
        {"iss": ISSUER + "/"},
        {"sub": "not-a-uuid"},
        {"sub": ""},
        {"role": "anon"},
        {"role": "service_role"},
        {"nbf": int(time.time()) + 600},
        {"iat": int(time.time()) + 600},
        {"exp": "soon"},
        {"exp": [1]},
    ],
)
async def test_a_claim_with_a_wrong_value_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(AccessTokenInvalid):
        await verifier().verify(signed(**wrong))


async def test_clocks_may_differ_by_less_than_half_a_minute() -> None:
    now = int(time.time())
    assert await verifier().verify(signed(exp=now - 20))
    assert await verifier().verify(signed(iat=now + 20))
    with pytest.raises(AccessTokenExpired):
        await verifier().verify(signed(exp=now - 40))
    with pytest.raises(AccessTokenInvalid):
        await verifier().verify(signed(iat=now + 60))


async def test_one_changed_character_anywhere_is_refused() -> None:
    judge, token = verifier(), signed()
    await judge.verify(token)
    for position in range(0, len(token), 7):
        if token[position] == "." or position == len(token) - 1:
            continue
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        with pytest.raises(AccessTokenInvalid):
            await judge.verify(changed)


async def test_a_verified_token_is_not_verified_again_until_it_expires() -> None:
    asked: list[str] = []

    class Counting(LocalKeys):
        async def find(self, kid: str) -> VerificationKey | None:
            asked.append(kid)
            return await super().find(kid)

    judge = TokenVerifier(Counting(lambda: JWKS), issuer=ISSUER)
    token, dying = signed(), signed(exp=int(time.time()) - 10)
    for _ in range(5):
        await judge.verify(token)
    assert asked == ["ec"]
    for _ in range(2):
        await judge.verify(dying)
    assert asked == ["ec"] * 3


async def test_more_tokens_than_are_remembered_are_all_verified() -> None:
    judge = TokenVerifier(LocalKeys(lambda: JWKS), issuer=ISSUER, legacy_secret=SECRET)
    for _ in range(2_100):
        assert await judge.verify(signed(SECRET, "HS256", None))


@given(st.one_of(st.text(max_size=200), st.from_regex(r"[A-Za-z0-9_-]{0,40}(\.[A-Za-z0-9_-]{0,80}){0,4}")))
def test_nothing_that_is_no_token_does_more_than_be_refused(text: str) -> None:
    import asyncio

    with pytest.raises(AccessTokenInvalid):
        asyncio.run(verifier(SECRET).verify(text))


async def test_a_huge_or_deeply_nested_token_is_refused() -> None:
    nested = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 5_000 + b"]" * 5_000 + b"}").rstrip(b"=").decode()
    for token in ("a" * 1_000_000, f"{nested}.e30.AA", forged({"alg": ["ES256"], "kid": {"a": 1}}, claims())):
        with pytest.raises(AccessTokenInvalid):
            await verifier().verify(token)
