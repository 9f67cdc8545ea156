"""Callbacks: only our own Pub/Sub and Cloud Tasks get in, in each of the three modes."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from fastapi import Depends, FastAPI
from jwt.algorithms import RSAAlgorithm
from shared.http.app import create_app
from shared.http.callbacks import LOCAL_ISSUER, CallbackVerifier
from shared.settings import CallbackSettings, HttpSettings
from shared.testing import eventually

AUDIENCE = "https://ingest.example"
ACCOUNT = "push@project.iam.gserviceaccount.com"
LOCAL_ACCOUNT = "deliverer@maru.local"
GOOGLE = "https://accounts.google.com"

EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    whole = {
        "iss": LOCAL_ISSUER,
        "aud": AUDIENCE,
        "email": LOCAL_ACCOUNT,
        "email_verified": True,
        "sub": "1",
        "iat": now,
        "exp": now + 600,
    } | changes
    # Times are given relative to now, so that a test has the same name whenever it is collected.
    relative = {name: now + changes[name] for name in ("exp", "iat", "nbf") if changes.get(name) is not None}
    return {name: value for name, value in (whole | relative).items() if value is not None}


def google_claims(**changes: Any) -> dict[str, Any]:
    return claims(**({"iss": GOOGLE, "email": ACCOUNT} | changes))


@dataclass
class Google:
    """A certificate endpoint that counts how often it is asked."""

    url: str
    asked: list[str] = field(default_factory=list)
    broken: bool = False


@pytest.fixture
def google() -> Generator[Google]:
    jwk = json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key()))
    document = json.dumps({"keys": [jwk | {"kid": "one", "alg": "RS256", "use": "sig"}]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            self.send_response(500 if state.broken else 200)
            self.end_headers()
            self.wfile.write(b"" if state.broken else document)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Google(f"http://127.0.0.1:{server.server_port}/certs")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@asynccontextmanager
async def nothing_to_start(_: FastAPI) -> AsyncGenerator[None]:
    yield


def service(settings: CallbackSettings, jwks_url: str) -> httpx.AsyncClient:
    app = create_app("Test", settings=HttpSettings((), True, False), checks={}, lifespan=nothing_to_start)
    verifier = CallbackVerifier(replace(settings, jwks_url=jwks_url))

    @app.post("/internal/push/entry.saved", status_code=204, dependencies=[Depends(verifier)])
    async def push() -> None:
        return None

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


def local() -> CallbackSettings:
    return CallbackSettings.from_env(
        {"PUSH_AUTH_MODE": "local", "MARU_CALLBACK_PUBLIC_KEY": public_pem(EC_KEY).replace("\n", "\\n")}, AUDIENCE
    )


def cloud(mode: str) -> CallbackSettings:
    return CallbackSettings.from_env({"PUSH_AUTH_MODE": mode, "PUSH_SERVICE_ACCOUNT": ACCOUNT}, AUDIENCE)


async def knock(client: httpx.AsyncClient, token: str | None, scheme: str = "Bearer") -> int:
    headers = {} if token is None else {"authorization": f"{scheme} {token}"}
    answer = await client.post("/internal/push/entry.saved", headers=headers)
    if answer.status_code == 401:
        assert answer.json()["code"] == "callback_forged"
    return answer.status_code


def unsigned(document: dict[str, Any], header: dict[str, Any], signature: bytes = b"") -> str:
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    return f"{part(json.dumps(header).encode())}.{part(json.dumps(document).encode())}.{part(signature)}"


LATE, EARLY = -3600, 3600
BAD_CLAIMS: list[dict[str, Any]] = [
    {"aud": "https://api.example"},
    {"aud": None},
    {"iss": "https://evil.example"},
    {"iss": None},
    {"email": "somebody@else.example"},
    {"email": None},
    {"email_verified": False},
    {"email_verified": "true"},
    {"email_verified": None},
    {"exp": LATE},
    {"exp": None},
    {"iat": None},
    {"iat": EARLY},
    {"nbf": EARLY},
    # One of several audiences: Google's tokens have one, so somebody else asked for this.
    {"aud": [AUDIENCE]},
    {"aud": [AUDIENCE, "https://api.example"]},
    {"aud": f"{AUDIENCE}/"},
    {"email": ACCOUNT.upper()},
    {"email": [ACCOUNT]},
    # The account of another project's push, and one that only ends like ours.
    {"email": "push@other-project.iam.gserviceaccount.com"},
    {"email": f"x{ACCOUNT}"},
    {"email_verified": 1},
]


async def test_our_own_deliverer_gets_in_again_and_again(google: Google) -> None:
    token = jwt.encode(claims(), EC_KEY, "ES256")
    async with service(local(), google.url) as client:
        assert await knock(client, token) == 204
        assert await knock(client, token, scheme="bearer") == 204
    assert google.asked == []


@pytest.mark.parametrize("wrong", BAD_CLAIMS, ids=str)
async def test_local_claims_must_all_be_right(google: Google, wrong: dict[str, Any]) -> None:
    async with service(local(), google.url) as client:
        assert await knock(client, jwt.encode(claims(**wrong), EC_KEY, "ES256")) == 401


async def test_local_signatures_must_be_ours_and_of_the_one_algorithm(google: Google) -> None:
    good = jwt.encode(claims(), EC_KEY, "ES256")
    head, _, tail = good.split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims(sub="2")).encode()).decode().rstrip("=")
    forged = [
        None,
        "",
        "not-a-token",
        "a.b.c",
        jwt.encode(claims(), OTHER_EC_KEY, "ES256"),
        jwt.encode(claims(), RSA_KEY, "RS256"),
        unsigned(claims(), {"alg": "none", "typ": "JWT"}),
        unsigned(claims(), {"alg": "None"}),
        # The public key taken for a shared secret.
        hs256(claims(), public_pem(EC_KEY).encode()),
        f"{head}.{body}.{tail}",
        good[:-4] + "AAAA",
    ]
    async with service(local(), google.url) as client:
        for token in forged:
            assert await knock(client, token) == 401, token
        assert await knock(client, good, scheme="Basic") == 401


def hs256(document: dict[str, Any], secret: bytes) -> str:
    import hashlib
    import hmac

    signing_input = unsigned(document, {"alg": "HS256", "typ": "JWT"}).rsplit(".", 1)[0]
    signature = hmac.new(secret, signing_input.encode(), hashlib.sha256).digest()
    return f"{signing_input}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


async def test_google_gets_in_with_the_pinned_account_and_is_asked_for_keys_once(google: Google) -> None:
    async with service(cloud("oidc"), google.url) as client:
        for number in range(5):
            token = jwt.encode(google_claims(sub=str(number)), RSA_KEY, "RS256", headers={"kid": "one"})
            assert await knock(client, token) == 204
    assert len(google.asked) == 1


@pytest.mark.parametrize("wrong", [*BAD_CLAIMS, {"iss": LOCAL_ISSUER}], ids=str)
async def test_google_claims_must_all_be_right(google: Google, wrong: dict[str, Any]) -> None:
    token = jwt.encode(google_claims(**wrong), RSA_KEY, "RS256", headers={"kid": "one"})
    async with service(cloud("oidc"), google.url) as client:
        assert await knock(client, token) == 401


async def test_forged_google_tokens_stay_out_and_do_not_make_us_ask_google_each_time(google: Google) -> None:
    secret = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged = [
        jwt.encode(google_claims(), OTHER_RSA_KEY, "RS256", headers={"kid": "one"}),
        jwt.encode(google_claims(), RSA_KEY, "RS384", headers={"kid": "one"}),
        jwt.encode(google_claims(), RSA_KEY, "RS256"),
        unsigned(google_claims(), {"alg": "none", "kid": "one"}),
        unsigned(google_claims(), {"alg": "RS256", "kid": "one"}, b"SIGNATURE_REMOVED_BY_GOOGLE"),
        hs256(google_claims(), secret),
        *(jwt.encode(google_claims(), OTHER_RSA_KEY, "RS256", headers={"kid": f"k{n}"}) for n in range(10)),
    ]
    async with service(cloud("oidc"), google.url) as client:
        for token in forged:
            assert await knock(client, token) == 401, token
    assert len(google.asked) <= 2


async def test_a_google_token_that_was_good_once_is_refused_when_it_has_expired(google: Google) -> None:
    token = jwt.encode(google_claims(exp=-25), RSA_KEY, "RS256", headers={"kid": "one"})
    async with service(cloud("oidc"), google.url) as client:
        assert await knock(client, token) == 204

        async def refused() -> bool:
            return await knock(client, token) == 401

        assert await eventually(refused, within=30)


async def test_while_google_is_away_a_callback_is_put_off_and_not_refused(google: Google) -> None:
    google.broken = True
    token = jwt.encode(google_claims(), RSA_KEY, "RS256", headers={"kid": "one"})
    async with service(cloud("oidc"), google.url) as client:
        assert await knock(client, token) == 503


async def test_behind_iam_only_the_claims_are_left_to_check(google: Google) -> None:
    token = jwt.encode(google_claims(), RSA_KEY, "RS256", headers={"kid": "one"})
    stripped = token.rsplit(".", 1)[0] + ".SIGNATURE_REMOVED_BY_GOOGLE"
    async with service(cloud("iam"), google.url) as client:
        assert await knock(client, stripped) == 204
        assert await knock(client, None) == 401
        assert await knock(client, "a.b.c") == 401
    assert google.asked == []


async def test_behind_iam_the_token_says_nothing_about_its_signature(google: Google) -> None:
    """Cloud Run has checked it and taken it away, so neither algorithm nor key id means anything here."""
    headers: list[dict[str, Any]] = [{"alg": "none"}, {"alg": "HS256"}, {"alg": "RS256", "kid": "nobody"}, {"alg": "x"}]
    async with service(cloud("iam"), google.url) as client:
        for header in headers:
            assert await knock(client, unsigned(google_claims(), header, b"SIGNATURE_REMOVED_BY_GOOGLE")) == 204, header
            assert await knock(client, unsigned(google_claims(email=None), header)) == 401, header
    assert google.asked == []


async def test_behind_iam_a_header_that_cloud_run_checks_instead_lets_nobody_in(google: Google) -> None:
    token = unsigned(google_claims(), {"alg": "RS256"}, b"SIGNATURE_REMOVED_BY_GOOGLE")
    async with service(cloud("iam"), google.url) as client:
        for theirs in ("Bearer somebody.elses.token", ""):
            headers = {"authorization": f"Bearer {token}", "x-serverless-authorization": theirs}
            answer = await client.post("/internal/push/entry.saved", headers=headers)
            assert answer.status_code == 401


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", ["Infinity", "1e999", '"soon"', "true", "{}", "[]", "-1e999"])
async def test_a_time_that_is_none_is_a_refusal_and_no_failure(google: Google, claim: str, value: str) -> None:
    document = json.dumps(google_claims(nbf=0) | {claim: "?"}).replace('"?"', value)
    head, _, tail = unsigned({}, {"alg": "RS256"}, b"SIGNATURE_REMOVED_BY_GOOGLE").split(".")
    body = base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")
    async with service(cloud("iam"), google.url) as client:
        expected = {204, 401} if value == "true" and claim != "exp" else {401}
        assert await knock(client, f"{head}.{body}.{tail}") in expected


@pytest.mark.parametrize("wrong", BAD_CLAIMS, ids=str)
async def test_behind_iam_the_claims_must_all_be_right(google: Google, wrong: dict[str, Any]) -> None:
    stripped = unsigned(google_claims(**wrong), {"alg": "RS256"}, b"SIGNATURE_REMOVED_BY_GOOGLE")
    async with service(cloud("iam"), google.url) as client:
        assert await knock(client, stripped) == 401


async def test_a_token_remembered_as_good_is_forgotten_when_it_expires(google: Google) -> None:
    # Within the leeway for clocks that differ: good now, also on a busy machine, and over in some seconds.
    token = jwt.encode(claims(exp=-25), EC_KEY, "ES256")
    async with service(local(), google.url) as client:
        assert await knock(client, token) == 204

        async def refused() -> bool:
            return await knock(client, token) == 401

        assert await eventually(refused, within=30)


def test_a_private_key_in_the_settings_never_shows() -> None:
    pem = EC_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert pem not in repr(local())
