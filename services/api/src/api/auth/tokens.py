"""Making tokens: ES256 access tokens, random refresh tokens of which only the hash is kept."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.rotation import Derived, Secret, current, renewed
from shared.settings import SettingMissing, pem

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

ACCESS_TOKEN_LIFETIME_S = 3600
REFRESH_TOKEN_DAYS = 30

_PRIVATE_KEYS = re.compile(
    r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----.*?-----END (?:[A-Z]+ )?PRIVATE KEY-----", re.DOTALL
)


class SigningKeyInvalid(SettingMissing):
    """`MARU_AUTH_SIGNING_KEY` is no P-256 private key in PEM."""

    def __init__(self) -> None:
        super().__init__(
            "MARU_AUTH_SIGNING_KEY must be a P-256 private key in PEM form (openssl ecparam -genkey -name prime256v1 -noout)"
        )


class TokenSigner:
    """Signs access tokens with the first of its keys and tells the public halves of all of them, so that keys can be rotated, also while we run.

    A key that is no longer there is told for as long as tokens that it signed are good.
    """

    def __init__(self, keys: Secret, *, issuer: str, audience: str, clock: Callable[[], float] = time.time) -> None:
        self._secret = keys
        self._present: _SigningKeys | None = None
        self._keys = Derived(lambda: current(keys), self._read)
        self._present = self._keys.get()
        self._retired: dict[str, tuple[dict[str, Any], float]] = {}
        self._told: dict[str, Any] = {}
        self._issuer = issuer
        self._audience = audience
        self._clock = clock

    def access_token(self, user: dict[str, Any], session_id: str, now: int) -> str:
        """A token with the claims that Supabase Auth gives, for an hour from `now` (seconds)."""
        import jwt

        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user["id"]),
            "iat": now,
            "exp": now + ACCESS_TOKEN_LIFETIME_S,
            "email": user["email"],
            "phone": "",
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}],
            "session_id": session_id,
            "is_anonymous": False,
            "app_metadata": user["app_metadata"],
            "user_metadata": user["user_metadata"],
        }
        signing = self._now()
        return jwt.encode(claims, signing.keys[0], "ES256", headers={"kid": signing.jwks[0]["kid"]})

    def jwks(self) -> dict[str, Any]:
        """The public halves, as a JWK set; the same object until it changes."""
        present, now = self._now(), self._clock()
        self._retired = {kid: (jwk, until) for kid, (jwk, until) in self._retired.items() if until > now}
        listed = [*present.jwks, *(jwk for jwk, _ in self._retired.values())]
        if self._told.get("keys") != listed:
            self._told = {"keys": listed}
        return self._told

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key of those that sign."""
        return self._now().jwks[0]

    async def renewed(self) -> bool:
        """Look whether there are other keys by now, since a token names one that we do not know: another instance may have seen it first."""
        return await renewed(self._secret, current(self._secret))

    def _now(self) -> _SigningKeys:
        keys, former = self._keys.get(), self._present
        if former is not None and former is not keys:
            kept, until = {jwk["kid"] for jwk in keys.jwks}, self._clock() + ACCESS_TOKEN_LIFETIME_S
            self._retired |= {jwk["kid"]: (jwk, until) for jwk in former.jwks if jwk["kid"] not in kept}
            for kid in kept:
                self._retired.pop(kid, None)
        self._present = keys
        return keys

    def _read(self, text: str) -> _SigningKeys:
        keys = _SigningKeys(text)
        if self._present is not None:
            # A key that takes the place of one that works is tried before it does.
            keys.jwks  # noqa: B018 - reads them
        return keys


class _SigningKeys:
    """The keys of one setting; they are parsed at the first use, because that loads cryptography."""

    def __init__(self, text: str) -> None:
        # More is checked at the first use; this much keeps a mistyped setting from surviving the start.
        self._pems = _PRIVATE_KEYS.findall(pem(text, "PRIVATE KEY"))
        if not self._pems:
            raise SigningKeyInvalid

    @cached_property
    def jwks(self) -> list[dict[str, Any]]:
        """The public keys; their ids are the thumbprints of RFC 7638, so every instance with these keys names them alike."""
        return [_public(key) for key in self.keys]

    @cached_property
    def keys(self) -> list[EllipticCurvePrivateKey]:
        """The private keys."""
        return [_private(one) for one in self._pems]


def _public(key: EllipticCurvePrivateKey) -> dict[str, Any]:
    from jwt.algorithms import ECAlgorithm

    public: dict[str, Any] = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    named = json.dumps({part: public[part] for part in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return {
        **{part: public[part] for part in ("kty", "crv", "x", "y")},
        "kid": hashlib.sha256(named.encode()).hexdigest()[:32],
        "alg": "ES256",
        "use": "sig",
        "key_ops": ["verify"],
    }


def _private(text: str) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError) as broken:
        raise SigningKeyInvalid from broken
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise SigningKeyInvalid
    return key


def new_refresh_token() -> tuple[str, bytes]:
    """A token (256 random bits) and the hash by which it is found again."""
    token = secrets.token_urlsafe(32)
    return token, hash_token(token)


def hash_token(token: str) -> bytes:
    """SHA-256; the tokens are random, so nothing slower is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
