"""What row-level security holds, whatever a service forgets: asked in SQL, as the roles that the services log in as."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from shared.db import Connection, Database, Principal
from shared.testing.identity import PASSWORD, SignUp, Somebody

# Tables of the services themselves. Everything else in `maru` belongs to tenants.
SERVICE_TABLES = {
    "outbox",
    "inbox",
    "rate_buckets",
    "api_logs",
    "ui_tickets",
    "ui_sessions",
    "local_deliveries",
    "parked_messages",
    "dead_letters",
    "erased_accounts",
    "task_queues",
    "worker_tokens",
    "worker_token_versions",
    "workers",
    "gpu_hosts",
    "runner_times",
    "dispatch_clock",
}


@dataclass(frozen=True)
class Shared:
    owner: Somebody
    viewer: Somebody
    stranger: Somebody
    space: str
    entry: str


@pytest.fixture
async def shared(sign_up: SignUp) -> Shared:
    owner, viewer, stranger = await sign_up("owner"), await sign_up("viewer"), await sign_up("stranger")
    space = (await owner.http.post("/api/v1/spaces", json={"name": "우리"})).json()["id"]
    await owner.http.post(f"/api/v1/spaces/{space}/members", json={"email": viewer.email, "role": "viewer"})
    await owner.http.post("/api/v1/people", json={"name": "민지", "space_id": space})
    entry = await owner.http.post("/api/v1/entries", json={"kind": "note", "body": "글", "space_id": space})
    await owner.http.post("/api/v1/conversations", json={"title": "물음"})
    return Shared(owner, viewer, stranger, space, entry.json()["id"])


@pytest.fixture
async def as_api(api_database_url: str) -> AsyncGenerator[Database]:
    database = Database(api_database_url)
    yield database
    await database.close()


async def tenant_tables(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'maru' ORDER BY 1")
        return [row["tablename"] for row in rows if row["tablename"] not in SERVICE_TABLES]
    finally:
        await connection.close()


async def visible(connection: Connection, table: str) -> int:
    """How many rows show; a table that may not even be asked shows none."""
    if not await connection.fetchval("SELECT has_table_privilege(current_user, $1, 'SELECT')", f"maru.{table}"):
        return 0
    return int(await connection.fetchval(f"SELECT count(*) FROM maru.{table}"))


def principal_of(somebody: Somebody) -> Principal:
    return Principal(UUID(somebody.id))


async def test_every_tenant_table_has_row_level_security_forced(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        bare = await connection.fetch(
            """
            SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'maru' AND c.relkind = 'r' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
            """
        )
        assert {row["relname"] for row in bare} <= SERVICE_TABLES | {"alembic_version"}
    finally:
        await connection.close()


async def test_no_role_of_a_service_is_above_row_level_security(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        roles = await connection.fetch(
            """
            SELECT rolname FROM pg_roles WHERE rolname ~ '^(maru_|authenticated$|space_worker$|dispatcher$)'
              AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolinherit)
            """
        )
        assert roles == []
        owned = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname IN ('maru', 'idp') AND tableowner ~ '^maru_'"
        )
        assert owned == []
    finally:
        await connection.close()


async def test_without_a_principal_no_tenant_row_shows(shared: Shared, as_api: Database, database_url: str) -> None:
    async with as_api.service_tx() as connection:
        for table in await tenant_tables(database_url):
            assert await visible(connection, table) == 0, table


async def test_a_principal_without_claims_sees_nothing(shared: Shared, as_api: Database, database_url: str) -> None:
    for claims in ("", "{}", '{"sub": ""}', '{"sub": null}'):
        async with as_api.service_tx() as connection:
            await connection.execute("SET LOCAL ROLE authenticated")
            await connection.execute("SELECT set_config('request.jwt.claims', $1, true)", claims)
            for table in await tenant_tables(database_url):
                assert await visible(connection, table) == 0, (claims, table)


async def test_a_stranger_sees_their_own_rows_only(shared: Shared, as_api: Database, database_url: str) -> None:
    own = {"profiles": 1, "spaces": 1, "space_members": 1}
    async with as_api.tenant_tx(principal_of(shared.stranger)) as connection:
        for table in await tenant_tables(database_url):
            assert await visible(connection, table) == own.get(table, 0), table
    async with as_api.tenant_tx(Principal(uuid4())) as connection:
        for table in await tenant_tables(database_url):
            assert await visible(connection, table) == 0, table


async def test_what_a_transaction_was_allowed_ends_with_it(shared: Shared, api_database_url: str) -> None:
    database = Database(api_database_url, max_size=1)
    try:
        async with database.tenant_tx(principal_of(shared.owner)) as connection:
            assert await connection.fetchval("SELECT count(*) FROM entries") == 1
        async with database.service_tx() as connection:
            assert await connection.fetchval("SELECT current_user") == "maru_api"
            assert await connection.fetchval("SELECT current_setting('request.jwt.claims', true)") in {None, ""}
            assert not await visible(connection, "entries")
    finally:
        await database.close()


WRITES = [
    "INSERT INTO people (id, space_id, name) VALUES (gen_random_uuid(), '{space}', 'x')",
    "INSERT INTO entries (id, space_id, author_id, kind) VALUES (gen_random_uuid(), '{space}', '{viewer}', 'note')",
    "INSERT INTO space_members (space_id, user_id, role) VALUES ('{space}', '{stranger}', 'owner')",
    "INSERT INTO streams (id, space_id, kind, subject_id) VALUES (gen_random_uuid(), '{space}', 'entry', '{entry}')",
    "INSERT INTO stream_events (stream_id, seq, type, data) SELECT id, 999, 'done', '{{}}' FROM streams",
    "INSERT INTO embedding_cache (space_id, key, vector) VALUES ('{space}', 'k', 'v')",
    "UPDATE people SET name = 'x' WHERE space_id = '{space}'",
    "UPDATE entries SET title = 'x' WHERE id = '{entry}'",
    "UPDATE entry_versions SET body = 'x' WHERE entry_id = '{entry}'",
    "UPDATE spaces SET name = 'x' WHERE id = '{space}'",
    "UPDATE space_members SET role = 'owner' WHERE space_id = '{space}'",
    "UPDATE streams SET cancel_requested = true WHERE space_id = '{space}'",
    "UPDATE profiles SET locale = 'ko' WHERE user_id <> '{viewer}'",
    "UPDATE profiles SET is_admin = true",
    "UPDATE profiles SET email = 'owner@example.com'",
    "DELETE FROM people WHERE space_id = '{space}'",
    "DELETE FROM entries WHERE id = '{entry}'",
    "DELETE FROM spaces",
    "DELETE FROM space_members WHERE user_id <> '{viewer}'",
    "DELETE FROM streams",
    "DELETE FROM stream_events",
    "SELECT maru.make_admin('{viewer}')",
    "SELECT maru.ensure_account('{viewer}', 'x@example.com', 'x', gen_random_uuid(), 'en')",
    "SELECT maru.standing('{viewer}', NULL, 'x')",
    "SELECT * FROM idp.users",
    "SELECT * FROM api_logs",
    "SELECT * FROM outbox",
    "UPDATE outbox SET body = '{{}}'",
    "SET ROLE space_worker",
]


@pytest.mark.parametrize("statement", WRITES)
async def test_a_viewer_cannot_write_even_in_sql(shared: Shared, api_database_url: str, statement: str) -> None:
    ids = {"space": shared.space, "entry": shared.entry, "viewer": shared.viewer.id, "stranger": shared.stranger.id}
    database = Database(api_database_url)
    try:
        if statement.startswith("SET ROLE"):
            # A login role may choose among its roles; what it then sees follows from the space that is set, and none is.
            async with database.tenant_tx(principal_of(shared.viewer)) as connection:
                await connection.execute(statement.replace("SET", "SET LOCAL"))
                assert not await visible(connection, "entries")
            return
        try:
            async with database.tenant_tx(principal_of(shared.viewer)) as connection:
                tag = await connection.execute(statement.format(**ids))
        except asyncpg.InsufficientPrivilegeError:
            return
        assert tag.split()[-1] == "0", tag
    finally:
        await database.close()


async def test_an_owner_cannot_reach_over_either(shared: Shared, api_database_url: str) -> None:
    """A row cannot be moved into another tenant's space, nor made there."""
    database = Database(api_database_url)
    elsewhere = shared.stranger.space_id
    try:
        for statement in (
            f"UPDATE people SET space_id = '{elsewhere}'",
            f"UPDATE entries SET space_id = '{elsewhere}'",
            f"INSERT INTO people (id, space_id, name) VALUES (gen_random_uuid(), '{elsewhere}', 'x')",
            f"INSERT INTO space_members (space_id, user_id, role) VALUES ('{elsewhere}', '{shared.owner.id}', 'owner')",
        ):
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError)):
                async with database.tenant_tx(principal_of(shared.owner)) as connection:
                    await connection.execute(statement)
    finally:
        await database.close()


async def test_ingest_reaches_one_space_at_a_time(shared: Shared, ingest_database_url: str, database_url: str) -> None:
    database = Database(ingest_database_url)
    try:
        async with database.service_tx() as connection:
            for table in await tenant_tables(database_url):
                assert await visible(connection, table) == 0, table
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.service_tx() as connection:
                await connection.execute("SELECT * FROM idp.users")
        async with database.space_tx(UUID(shared.stranger.space_id)) as connection:
            assert await visible(connection, "entries") == 0
            assert await connection.execute("UPDATE entries SET title = 'x'") == "UPDATE 0"
        async with database.space_tx(UUID(shared.space)) as connection:
            assert await visible(connection, "entries") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.tenant_tx(principal_of(shared.owner)):
                pass
    finally:
        await database.close()


async def test_only_the_gateway_reaches_credentials(
    shared: Shared, inference_database_url: str, nobody: httpx.AsyncClient
) -> None:
    await nobody.post("/api/v1/ui/tickets", json={"email": shared.owner.email, "password": PASSWORD})
    database = Database(inference_database_url)
    try:
        for table in (
            "idp.users",
            "idp.sessions",
            "idp.refresh_tokens",
            "maru.ui_tickets",
            "maru.ui_sessions",
            "maru.profiles",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with database.service_tx() as connection:
                    await connection.fetch(f"SELECT * FROM {table}")
    finally:
        await database.close()
