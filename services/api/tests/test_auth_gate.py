"""From a genuine token to a principal: what only the database knows, and for how long it is believed."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from api.auth.gate import STANDING_LIFETIME_S, Gate, SessionEnded, Standings
from api.auth.tokens import SigningKeyInvalid, TokenSigner
from api.main import build_app
from api.ui_sessions.seal import SealBroken, SessionKeyInvalid
from shared.auth import AccessTokenInvalid, LocalKeys, TokenVerifier
from shared.db import Database
from shared.settings import SettingMissing
from shared.testing.identity import SignUp, Somebody, public_key_pem, signing_key_pem

ISSUER = "http://127.0.0.1:8000/auth/v1"


class Silent:
    """A relay that has nobody to wake."""

    async def after_commit(self) -> None:
        """Nothing."""


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def other_instance(api_database_url: str) -> AsyncGenerator[tuple[Gate, Clock]]:
    """A gate with a memory of its own, as another instance of the gateway has it."""
    clock, database = Clock(), Database(api_database_url)
    signer = TokenSigner(signing_key_pem(), issuer=ISSUER, audience="authenticated")
    verifier = TokenVerifier(LocalKeys(signer.jwks), issuer=ISSUER)
    yield Gate(verifier, database, Standings(clock), Silent(), own_sessions=True), clock
    await database.close()


def token(**changes: Any) -> str:
    signer = TokenSigner(signing_key_pem(), issuer=ISSUER, audience="authenticated")
    user = {"id": uuid4(), "email": "x@example.com", "app_metadata": {}, "user_metadata": {}} | changes
    return signer.access_token(user, str(changes.get("session_id", uuid4())), int(time.time()))


async def test_another_instance_learns_of_a_sign_out_within_seconds(
    sign_up: SignUp, other_instance: tuple[Gate, Clock]
) -> None:
    somebody: Somebody = await sign_up()
    gate, clock = other_instance
    assert (await gate.authenticate(somebody.access_token)).user_id == UUID(somebody.id)
    await somebody.http.post("/auth/v1/logout")
    clock.now += STANDING_LIFETIME_S + 1
    with pytest.raises(SessionEnded):
        await gate.authenticate(somebody.access_token)
    assert STANDING_LIFETIME_S <= 60


async def test_an_administrators_rights_come_and_go_within_seconds(
    sign_up: SignUp, other_instance: tuple[Gate, Clock], database_url: str
) -> None:
    somebody = await sign_up()
    gate, clock = other_instance
    database = await asyncpg.connect(database_url)
    try:
        for is_admin in (False, True, False):
            await database.execute("UPDATE maru.profiles SET is_admin = $1", is_admin)
            clock.now += STANDING_LIFETIME_S + 1
            assert (await gate.authenticate(somebody.access_token)).is_admin is is_admin
    finally:
        await database.close()


async def test_an_erased_account_is_nobody(
    sign_up: SignUp, other_instance: tuple[Gate, Clock], database_url: str
) -> None:
    somebody = await sign_up()
    database = await asyncpg.connect(database_url)
    try:
        await database.execute("DELETE FROM idp.users")
    finally:
        await database.close()
    with pytest.raises(SessionEnded):
        await other_instance[0].authenticate(somebody.access_token)


async def test_a_genuine_token_needs_a_session_of_its_own_person(
    sign_up: SignUp, other_instance: tuple[Gate, Clock]
) -> None:
    gate, _ = other_instance
    somebody = await sign_up()
    session = (await gate.authenticate(somebody.access_token)).session_id
    with pytest.raises(SessionEnded):
        await gate.authenticate(token())
    with pytest.raises(SessionEnded):
        await gate.authenticate(token(session_id=session))
    with pytest.raises(AccessTokenInvalid):
        await gate.authenticate(token(session_id="no uuid"))


async def test_more_sessions_than_are_remembered_are_all_admitted() -> None:
    from shared.auth import AccessClaims
    from shared.db import Principal

    standings = Standings(Clock())
    person = uuid4()
    for n in range(6_000):
        claims = AccessClaims(person if n % 2 else uuid4(), "", str(n), 0)
        standings.put(claims, Principal(claims.user_id))
        assert standings.get(claims) is not None
    standings.forget(person)
    assert standings.get(AccessClaims(person, "", "5999", 0)) is None


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("MARU_SESSION_KEY", "too short", SessionKeyInvalid),
        ("MARU_SESSION_KEY", "가" * 44, SessionKeyInvalid),
        ("MARU_SESSION_KEY", "", SettingMissing),
        ("MARU_AUTH_SIGNING_KEY", public_key_pem(), SigningKeyInvalid),
        ("MARU_AUTH_SIGNING_KEY", "", SettingMissing),
    ],
    ids=["short", "not base64", "no session key", "public", "no signing key"],
)
def test_a_missing_or_mistyped_key_is_told_at_the_start(
    gateway_environment: dict[str, str], name: str, value: str, error: type[SettingMissing]
) -> None:
    with pytest.raises(error, match=name):
        build_app(gateway_environment | {name: value})


def test_every_instance_with_one_key_names_it_alike() -> None:
    one, two = (TokenSigner(signing_key_pem(), issuer=ISSUER, audience="authenticated") for _ in range(2))
    assert one.jwks() == two.jwks()


@pytest.mark.parametrize("kind", ["rsa", "other curve", "broken"])
def test_a_signing_key_of_another_kind_is_refused(kind: str) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    made = {"rsa": rsa.generate_private_key(65537, 2048), "other curve": ec.generate_private_key(ec.SECP384R1())}
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem = (
        made[kind].private_bytes(*plain).decode()
        if kind in made
        else "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
    )
    with pytest.raises(SigningKeyInvalid):
        TokenSigner(pem, issuer=ISSUER, audience="authenticated").jwks()


def test_a_seal_opens_with_any_of_its_keys_and_with_no_other() -> None:
    from api.http.identity import SignedIn
    from api.ui_sessions.seal import Seal
    from cryptography.fernet import Fernet

    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    signed_in = SignedIn("access", "refresh", 1, uuid4(), None, {"email": "지우@example.com"})
    sealed = Seal(old).close(signed_in)
    assert Seal(f"{new}, {old}").open(sealed)["refresh_token"] == "refresh"
    for judge, content in (
        (Seal(new), sealed),
        (Seal(old), sealed[:-4] + b"AAAA"),
        (Seal(old), b""),
        (Seal(old), b"\xff"),
    ):
        with pytest.raises(SealBroken):
            judge.open(content)
