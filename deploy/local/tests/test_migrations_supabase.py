"""The same schema where its owner is no superuser and `auth` is somebody else's, as on Supabase; and nothing of it for browsers."""

from __future__ import annotations

from collections.abc import Generator

import asyncpg
import psycopg
import pytest
from maru.errors import CannotStart
from maru.postgres.schema import migrate
from migrations import current_revision, downgrade, set_passwords, steps, upgrade
from psycopg import sql
from schema_snapshot import ask, everything
from shared.db import Database, Principal
from shared.ids import new_id
from shared.testing.postgres import RoleUrls
from shared.testing.supabase_postgres import SupabasePostgres, run_supabase_postgres

BROWSERS = ("anon", "authenticated", "service_role", "authenticator")
PASSWORD = "a login role's long password"

_AUTH = """
SELECT 'schema ' || nspname || nspowner::regrole || coalesce(nspacl::text, '') FROM pg_namespace WHERE nspname IN ('auth', 'public', 'extensions')
UNION ALL SELECT 'function ' || p.oid::regprocedure || p.proowner::regrole || p.prosrc || coalesce(p.proacl::text, '') FROM pg_proc p
  WHERE p.pronamespace = 'auth'::regnamespace
UNION ALL SELECT 'table ' || c.oid::regclass || c.relowner::regrole || coalesce(c.relacl::text, '') FROM pg_class c
  WHERE c.relnamespace = 'auth'::regnamespace
UNION ALL SELECT 'role ' || rolname || rolsuper || rolbypassrls || rolcanlogin || coalesce(rolconfig::text, '') FROM pg_roles
  WHERE rolname IN ('anon', 'authenticated', 'service_role', 'authenticator', 'supabase_auth_admin')
"""


@pytest.fixture(scope="module")
def supabase(tmp_path_factory: pytest.TempPathFactory) -> Generator[SupabasePostgres]:
    with run_supabase_postgres(tmp_path_factory.mktemp("supabase")) as server:
        yield server


@pytest.fixture
def project(supabase: SupabasePostgres) -> RoleUrls:
    """A migrated project."""
    made = supabase.project()
    upgrade(made.superuser)
    return made


def test_the_owner_is_no_superuser_and_may_not_touch_what_is_supabases(supabase: SupabasePostgres) -> None:
    """What the imitation is worth: the things that fail there fail here."""
    project = supabase.project()
    for statement in (
        "CREATE FUNCTION auth.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE auth.mine (x int)",
        "ALTER ROLE supabase_auth_admin SET search_path = public",
        "GRANT supabase_auth_admin TO postgres",
        "ALTER ROLE postgres SUPERUSER",
        "CREATE ROLE too_mighty SUPERUSER",
    ):
        with psycopg.connect(project.superuser) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def test_each_step_goes_up_and_down_and_up_again(supabase: SupabasePostgres) -> None:
    project = supabase.project()
    before = ask(project.superuser, _AUTH)
    for step in steps():
        upgrade(project.superuser, step.revision)
    made = everything(project.superuser)
    assert sorted(ask(project.superuser, _AUTH)) == sorted(before), "what is Supabase's was changed"
    downgrade(project.superuser, "base")
    assert current_revision(project.superuser) is None
    assert everything(project.superuser) == set()
    upgrade(project.superuser)
    assert everything(project.superuser) == made


def test_it_is_the_schema_of_everywhere_else(project: RoleUrls, database_urls: RoleUrls) -> None:
    assert everything(project.superuser) == everything(database_urls.superuser)


@pytest.mark.parametrize("role", BROWSERS)
def test_the_browsers_roles_reach_nothing_of_ours(project: RoleUrls, role: str) -> None:
    tables = ask(
        project.superuser,
        f"""
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('idp', 'local', 'public') AND c.relkind = 'r'
          AND has_table_privilege('{role}', c.oid, 'SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER')
        """,
    )
    assert tables == []
    ours = {"maru"} if role == "authenticated" else set()
    schemas = ask(
        project.superuser,
        f"SELECT nspname FROM pg_namespace WHERE nspname IN ('maru', 'idp', 'local') AND has_schema_privilege('{role}', oid, 'USAGE')",
    )
    assert {row[0] for row in schemas} == ours


def test_a_browser_finds_no_row_even_if_the_schema_were_exposed(project: RoleUrls) -> None:
    """PostgREST becomes `authenticated` with the claims of a token: what the gateway shows is the most that it could show."""
    person = Principal(new_id(), "alice@example.com")
    with psycopg.connect(project.superuser) as owner:
        for somebody in (person.user_id, new_id()):
            address = f"{somebody}@example.com"
            owner.execute("SELECT maru.ensure_account(%s, %s, '', %s, 'en')", (somebody, address, new_id()))
    with psycopg.connect(project.superuser.replace("postgres@", "authenticator@")) as browser:
        claims = f'{{"sub": "{person.user_id}", "role": "authenticated"}}'
        browser.execute(
            "SELECT set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)", (claims,)
        )
        assert browser.execute("SELECT email FROM maru.profiles").fetchall() == [(f"{person.user_id}@example.com",)]
        for table in ("idp.users", "maru.ui_sessions", "maru.worker_tokens", "public.maru_schema_revision"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), browser.transaction():
                browser.execute(f"SELECT * FROM {table}".encode())


async def test_each_login_roles_transactions_act_as_they_say(project: RoleUrls) -> None:
    alice = Principal(new_id(), "alice@example.com")
    api, inference = Database(project.api), Database(project.inference)
    try:
        async with api.service_tx() as connection:
            space = await connection.fetchval(
                "SELECT ensure_account($1, $2, '', $3, 'en')", alice.user_id, alice.email, new_id()
            )
            assert await connection.fetchval("SHOW search_path") == "maru, public"
        async with api.tenant_tx(alice) as connection:
            assert await connection.fetchval("SELECT auth.uid()") == alice.user_id
            assert [row["id"] for row in await connection.fetch("SELECT id FROM spaces")] == [space]
        async with api.tenant_tx(Principal(new_id())) as connection:
            assert await connection.fetch("SELECT id FROM spaces") == []
        async with api.space_tx(space) as connection:
            assert await connection.fetchval("SELECT count(*) FROM spaces") == 1
        async with inference.dispatch_tx() as connection:
            assert await connection.fetchval("SELECT count(*) FROM tasks") == 0
    finally:
        await api.close()
        await inference.close()


def test_an_owner_whom_row_level_security_binds_is_refused(supabase: SupabasePostgres) -> None:
    project = supabase.project()
    with psycopg.connect(supabase.admin(project), autocommit=True) as admin:
        admin.execute("ALTER ROLE postgres NOBYPASSRLS")
        try:
            with pytest.raises(CannotStart, match="BYPASSRLS"):
                migrate(project.superuser)
        finally:
            admin.execute("ALTER ROLE postgres BYPASSRLS")


def test_a_login_role_cannot_make_itself_more(project: RoleUrls) -> None:
    for statement in (
        "SET ROLE postgres",
        "SET ROLE service_role",
        "SET ROLE dispatcher",
        "CREATE TABLE maru.mine (x int)",
    ):
        with psycopg.connect(project.api) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql.SQL(statement))  # type: ignore[arg-type]


async def test_the_password_that_was_set_is_the_one_that_is_asked_for(
    project: RoleUrls, supabase: SupabasePostgres
) -> None:
    set_passwords(project.superuser, {"maru_api": PASSWORD})
    connection = await asyncpg.connect(supabase.admin(project))
    try:
        kept = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'maru_api'")
        assert kept.startswith("SCRAM-SHA-256$")
    finally:
        await connection.close()
