"""`maru admin create` where people sign in with Supabase Auth: the first administrator of an installation has never been here."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest
from maru.commands.admin import create_admin
from maru.errors import CannotStart
from shared.testing.postgres import RoleUrls
from shared.testing.supabase_peer import ANON_KEY, SERVICE_KEY, Fault, SupabasePeer, run_supabase_peer

EMAIL, PASSWORD = "operator@example.com", "a long enough phrase for tests"


@pytest.fixture
def peer() -> Generator[SupabasePeer]:
    with run_supabase_peer() as running:
        yield running


@pytest.fixture
def env(database_urls: RoleUrls, tmp_path: Path, peer: SupabasePeer) -> dict[str, str]:
    return {
        "MARU_HOME": str(tmp_path),
        "DATABASE_URL": database_urls.api,
        "MARU_OWNER_DATABASE_URL": database_urls.superuser,
        "SUPABASE_URL": peer.url,
        "SUPABASE_ANON_KEY": ANON_KEY,
        "SUPABASE_SERVICE_KEY": SERVICE_KEY,
    }


def administrators(urls: RoleUrls) -> list[tuple[str, str, int]]:
    with psycopg.connect(urls.superuser) as connection:
        return connection.execute(
            "SELECT user_id::text, email, (SELECT count(*) FROM maru.spaces WHERE owner_id = user_id) FROM maru.profiles WHERE is_admin"
        ).fetchall()


def sign_in(peer: SupabasePeer, password: str) -> int:
    body = {"email": EMAIL, "password": password}
    return peer.answer("POST", "/auth/v1/token?grant_type=password", {"apikey": ANON_KEY}, body)[0]


def test_the_account_is_made_there_and_may_sign_in_at_once(
    env: dict[str, str], peer: SupabasePeer, database_urls: RoleUrls
) -> None:
    peer.confirm_by_mail = True
    user_id = create_admin(EMAIL, PASSWORD, env)
    assert peer.users[EMAIL]["id"] == user_id
    assert sign_in(peer, PASSWORD) == 200
    assert administrators(database_urls) == [(user_id, EMAIL, 1)]
    assert create_admin(EMAIL, "another long enough phrase", env) == user_id
    assert sign_in(peer, PASSWORD) == 400
    assert sign_in(peer, "another long enough phrase") == 200
    assert administrators(database_urls) == [(user_id, EMAIL, 1)]


def test_who_has_signed_up_there_is_found_behind_many_others_and_promoted(
    env: dict[str, str], peer: SupabasePeer, database_urls: RoleUrls
) -> None:
    for number in range(450):
        peer.users[f"{number}@example.com"] = {"id": str(number), "email": f"{number}@example.com"}
    peer.answer("POST", "/auth/v1/signup", {"apikey": ANON_KEY}, {"email": EMAIL, "password": PASSWORD})
    user_id = create_admin("  Operator@Example.com ", None, env)
    assert administrators(database_urls) == [(user_id, EMAIL, 1)]
    assert sign_in(peer, PASSWORD) == 200


def test_nobody_is_promoted_who_is_not_there(env: dict[str, str], database_urls: RoleUrls) -> None:
    with pytest.raises(CannotStart, match="Nobody has signed up as operator@"):
        create_admin(EMAIL, None, env)
    assert administrators(database_urls) == []


def test_without_the_service_key_it_says_what_to_set(env: dict[str, str]) -> None:
    with pytest.raises(CannotStart, match="SUPABASE_SERVICE_KEY"):
        create_admin(EMAIL, PASSWORD, env | {"SUPABASE_SERVICE_KEY": ""})


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(401), "SUPABASE_SERVICE_KEY"),
        (Fault(500), "does not answer"),
        (Fault(200, raw=b"<html>"), "does not answer"),
        (Fault(422, raw=b'{"code": "weak_password", "message": "Password is too weak"}'), "too weak"),
    ],
    ids=["key", "broken", "odd", "weak"],
)
def test_what_goes_wrong_there_makes_nobody_an_administrator(
    env: dict[str, str], peer: SupabasePeer, database_urls: RoleUrls, fault: Fault, said: str
) -> None:
    peer.faults = [fault]
    with pytest.raises(CannotStart, match=said):
        create_admin(EMAIL, PASSWORD, env)
    assert administrators(database_urls) == []
