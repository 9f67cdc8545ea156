"""The gateway over real HTTP while its keys are replaced: nobody is signed out who need not be, and nothing is started again."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import uuid4

import httpx
import jwt
import pytest
from api.auth.errors import ProviderUnavailable
from api.auth.supabase import SupabaseProvider
from api.main import build_app
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from shared.secret_values import SecretEnvironment
from shared.settings import AuthSettings
from shared.testing.identity import PASSWORD
from shared.testing.serving import served
from shared.testing.supabase_peer import ANON_KEY, SERVICE_KEY, run_supabase_peer
from shared.testing.waiting import eventually

SESSIONS = "/api/v1/ui/sessions"


def fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def signing_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Keys:
    """Mounted secrets, and a clock that the test turns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1000.0
        self.session, self.signing = fernet_key(), signing_key()
        self.put("session", self.session)
        self.put("signing", self.signing)

    def put(self, name: str, value: str) -> None:
        newer = self.folder / f"{name}.new"
        newer.write_text(value)
        newer.replace(self.folder / name)
        self.now += 60


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
async def http(keys: Keys, gateway_environment: dict[str, str]) -> AsyncGenerator[httpx.AsyncClient]:
    variables = {
        **gateway_environment,
        "MARU_SESSION_KEY": f"file://{keys.folder}/session",
        "MARU_AUTH_SIGNING_KEY": f"file://{keys.folder}/signing",
    }
    app = build_app(SecretEnvironment(variables, clock=lambda: keys.now))
    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


async def sign_up(http: httpx.AsyncClient) -> tuple[str, str]:
    """A token, and the handle of a browser session."""
    email = f"jiwoo-{uuid4().hex[:8]}@example.com"
    body = {"email": email, "password": PASSWORD}
    token = (await http.post("/auth/v1/signup", json={**body, "data": {"name": "jiwoo"}})).json()["access_token"]
    return token, await session(http, email)


async def session(http: httpx.AsyncClient, email: str) -> str:
    ticket = (await http.post("/api/v1/ui/tickets", json={"email": email, "password": PASSWORD})).json()["ticket"]
    handle: str = (await http.post(SESSIONS, json={"ticket": ticket})).json()["session"]
    return handle


async def opens(http: httpx.AsyncClient, handle: str) -> bool:
    return (await http.post(f"{SESSIONS}/token", json={"session": handle})).status_code == 200


async def test_sessions_sealed_with_either_key_open_until_the_old_one_goes(http: httpx.AsyncClient, keys: Keys) -> None:
    _, before = await sign_up(http)
    newer, newest = fernet_key(), fernet_key()
    keys.put("session", f"{newer},{keys.session}")
    assert [await opens(http, before) for _ in range(3)] == [True] * 3
    keys.put("session", newer)

    async def gone() -> bool:
        return not await opens(http, before)

    await eventually(gone)
    _, after = await sign_up(http)
    assert await opens(http, after)
    keys.put("session", f"{newest},{newer}")
    assert [await opens(http, after) for _ in range(3)] == [True] * 3


async def test_tokens_of_the_former_key_stay_good_and_new_ones_have_the_new_key(
    http: httpx.AsyncClient, keys: Keys
) -> None:
    old_token, _ = await sign_up(http)
    old_kid = jwt.get_unverified_header(old_token)["kid"]
    keys.put("signing", signing_key())

    async def new_kid() -> str | None:
        token, _ = await sign_up(http)
        kid: str = jwt.get_unverified_header(token)["kid"]
        assert (await whoami(http, token)).status_code == 200
        return kid if kid != old_kid else None

    kid = await eventually(new_kid)
    told = {key["kid"] for key in (await http.get("/auth/v1/.well-known/jwks.json")).json()["keys"]}
    assert told == {old_kid, kid}
    assert (await whoami(http, old_token)).status_code == 200


async def test_a_token_that_another_instance_has_signed_with_the_new_key_is_accepted_at_once(
    http: httpx.AsyncClient, keys: Keys, gateway_environment: dict[str, str]
) -> None:
    first, _ = await sign_up(http)
    assert (await whoami(http, first)).status_code == 200
    newer = signing_key()
    elsewhere = build_app({**gateway_environment, "MARU_SESSION_KEY": keys.session, "MARU_AUTH_SIGNING_KEY": newer})
    async with served(elsewhere) as url, httpx.AsyncClient(base_url=url) as other:
        token, _ = await sign_up(other)
    # The clock of the first instance gives no reason to look: the unknown key does.
    path, now = keys.folder / "signing", keys.now
    path.write_text(f"{newer}{keys.signing}")
    keys.now = now + 6
    assert (await whoami(http, token)).status_code == 200
    assert (await whoami(http, first)).status_code == 200


async def test_a_mistyped_key_changes_nothing(http: httpx.AsyncClient, keys: Keys) -> None:
    token, handle = await sign_up(http)
    keys.put("signing", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")
    keys.put("session", "not a key")
    for _ in range(3):
        assert (await whoami(http, token)).status_code == 200
        assert await opens(http, handle)
        await sign_up(http)


async def whoami(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})


async def test_accounts_are_erased_at_supabase_with_the_new_service_key(keys: Keys) -> None:
    keys.put("service", "outdated")
    env = SecretEnvironment({"SUPABASE_SERVICE_KEY": f"file://{keys.folder}/service"}, clock=lambda: keys.now)
    with run_supabase_peer() as peer:
        service_key = AuthSettings.from_env(env).supabase_service_key
        provider = SupabaseProvider(f"{peer.url}/auth/v1", ANON_KEY, service_key)
        with pytest.raises(ProviderUnavailable):
            await provider.erase(uuid4())
        (keys.folder / "service").write_text(SERVICE_KEY)
        keys.now += 6
        await provider.erase(uuid4())
        await provider.close()
