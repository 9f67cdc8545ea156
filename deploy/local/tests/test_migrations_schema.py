"""The schema goes up, down and up again, two may try at once, and nobody is granted more than they need."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from uuid import uuid4

import psycopg
import pytest
from maru.errors import CannotStart
from maru.postgres.schema import migrate
from migrations import current_revision, downgrade, head_revision, upgrade
from psycopg import sql
from schema_snapshot import ask, everything
from shared.testing.postgres import RoleUrls, SharedPostgres

REVISIONS = ["0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0013"]
LOGINS = {"maru_api", "maru_ingest", "maru_inference", "maru_deliverer"}
OURS = LOGINS | {"authenticated", "space_worker", "dispatcher"}


@pytest.fixture
def empty(shared_postgres: SharedPostgres) -> Generator[str]:
    """A database in which nothing has run."""
    name = f"e_{uuid4().hex}"
    admin = psycopg.connect(shared_postgres.urls("postgres").superuser, autocommit=True)
    admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield shared_postgres.urls(name).superuser
    admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    admin.close()


def test_each_step_is_undone_by_its_way_down_and_done_again_by_its_way_up(empty: str) -> None:
    assert head_revision() == REVISIONS[-1]
    snapshots = [everything(empty)]
    for revision in REVISIONS:
        upgrade(empty, revision)
        snapshots.append(everything(empty))
    for revision, before in zip(reversed(["base", *REVISIONS[:-1]]), reversed(snapshots[:-1]), strict=True):
        downgrade(empty, revision)
        assert everything(empty) == before, revision
    assert current_revision(empty) is None
    upgrade(empty)
    assert everything(empty) == snapshots[-1]


def test_a_second_upgrade_changes_nothing(database_urls: RoleUrls) -> None:
    before = everything(database_urls.superuser)
    upgrade(database_urls.superuser)
    assert migrate(database_urls.superuser) is False
    assert everything(database_urls.superuser) == before


def test_two_who_migrate_at_once_wait_for_each_other(empty: str, database_urls: RoleUrls) -> None:
    code = "import sys; from migrations import upgrade; upgrade(sys.argv[1])"
    running = [subprocess.Popen([sys.executable, "-c", code, empty], stderr=subprocess.PIPE) for _ in range(2)]
    for process in running:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()[-2000:]
    assert everything(empty) == everything(database_urls.superuser)


def test_a_user_who_may_not_migrate_is_told_what_to_set(empty: str) -> None:
    role = f"plain_{uuid4().hex[:12]}"
    with psycopg.connect(empty, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        with pytest.raises(CannotStart, match="MARU_OWNER_DATABASE_URL"):
            migrate(empty.replace("postgres@", f"{role}@"))
        assert current_revision(empty) is None
        assert everything(empty) == set()
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.mark.parametrize("address", ["localhost/maru", "maru", "db:5432"])
def test_an_address_that_is_none_is_said_so(address: str) -> None:
    with pytest.raises(CannotStart, match="postgresql://USER@HOST/DATABASE"):
        migrate(address)


def test_a_database_that_is_away_is_said_so() -> None:
    with pytest.raises(CannotStart, match="does not answer"):
        migrate("postgresql://nobody@127.0.0.1:1/none")


def test_every_table_with_row_level_security_is_forced_and_has_a_policy(database_urls: RoleUrls) -> None:
    rows = ask(
        database_urls.superuser,
        """
        SELECT c.oid::regclass::text, c.relforcerowsecurity,
          (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid)
        FROM pg_class c WHERE c.relnamespace = 'maru'::regnamespace AND c.relkind = 'r' AND c.relrowsecurity
        """,
    )
    assert len(rows) > 15
    for table, forced, policies in rows:
        assert forced, table
        assert policies, f"{table} shows nothing to anybody"


def test_every_table_that_names_a_tenant_has_row_level_security(database_urls: RoleUrls) -> None:
    bare = ask(
        database_urls.superuser,
        """
        SELECT DISTINCT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'maru'::regnamespace AND c.relkind = 'r' AND a.attname IN ('space_id', 'owner_id', 'author_id', 'home_space_id')
          AND NOT c.relrowsecurity
        """,
    )
    assert {row[0] for row in bare} <= {"parked_messages"}


def test_policies_are_for_the_request_roles_and_never_for_everybody(database_urls: RoleUrls) -> None:
    roles = ask(
        database_urls.superuser, "SELECT DISTINCT unnest(roles)::text FROM pg_policies WHERE schemaname = 'maru'"
    )
    assert {row[0] for row in roles} == {"authenticated", "space_worker", "dispatcher"}


def test_login_roles_own_nothing_inherit_nothing_and_stand_above_nothing(database_urls: RoleUrls) -> None:
    rows = ask(
        database_urls.superuser,
        """
        SELECT rolname, rolcanlogin, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolinherit,
          (SELECT count(*) FROM pg_class c WHERE c.relowner = r.oid) + (SELECT count(*) FROM pg_proc p WHERE p.proowner = r.oid)
        FROM pg_roles r WHERE rolname ~ '^maru_' OR rolname IN ('authenticated', 'space_worker', 'dispatcher')
        """,
    )
    assert {row[0] for row in rows} == OURS
    for name, login, powerful, owned in rows:
        assert login == (name in LOGINS), name
        assert not powerful, name
        assert owned == 0, name


def test_only_the_gateway_becomes_a_person_and_the_deliverer_becomes_nobody(database_urls: RoleUrls) -> None:
    rows = ask(
        database_urls.superuser,
        """
        SELECT m.rolname, g.rolname FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid
        WHERE m.rolname ~ '^maru_' AND (g.rolname ~ '^maru_' OR g.rolname IN ('authenticated', 'space_worker', 'dispatcher'))
        """,
    )
    assert set(rows) == {
        ("maru_api", "authenticated"),
        ("maru_api", "space_worker"),
        ("maru_ingest", "space_worker"),
        ("maru_inference", "space_worker"),
        ("maru_inference", "dispatcher"),
    }


def test_the_dispatcher_sees_jobs_and_tasks_of_everybody_and_nothing_else_of_anybody(database_urls: RoleUrls) -> None:
    rows = ask(
        database_urls.superuser,
        """
        SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'maru'::regnamespace AND c.relkind = 'r' AND c.relrowsecurity
          AND has_table_privilege('dispatcher', c.oid, 'SELECT,INSERT,UPDATE,DELETE')
        """,
    )
    assert {row[0] for row in rows} == {"jobs", "tasks", "job_deltas"}


def test_no_login_role_reads_a_tenants_table_as_itself(database_urls: RoleUrls) -> None:
    granted = ask(
        database_urls.superuser,
        """
        SELECT r.rolname, c.relname FROM pg_class c CROSS JOIN pg_roles r
        WHERE c.relnamespace = 'maru'::regnamespace AND c.relkind = 'r' AND c.relrowsecurity AND r.rolname ~ '^maru_'
          AND has_table_privilege(r.oid, c.oid, 'SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER')
        """,
    )
    assert granted == []


def test_nobody_of_ours_may_truncate_or_hang_triggers_and_everybody_may_nothing(database_urls: RoleUrls) -> None:
    granted = ask(
        database_urls.superuser,
        """
        SELECT grantee, table_schema, table_name, privilege_type FROM information_schema.role_table_grants
        WHERE table_schema IN ('maru', 'idp', 'local') AND grantee <> 'postgres'
          AND (grantee = 'PUBLIC' OR privilege_type IN ('TRUNCATE', 'TRIGGER', 'REFERENCES') OR is_grantable = 'YES')
        """,
    )
    assert granted == []
    for role in OURS:
        created = ask(
            database_urls.superuser,
            f"SELECT nspname FROM pg_namespace WHERE nspname IN ('maru', 'idp', 'local', 'auth', 'public') "
            f"AND has_schema_privilege('{role}', oid, 'CREATE')",
        )
        assert created == [], role


def test_who_signs_people_in_is_the_gateway_alone(database_urls: RoleUrls) -> None:
    for role in OURS - {"maru_api"}:
        reached = ask(
            database_urls.superuser,
            f"SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'idp'::regnamespace AND relkind = 'r' "
            f"AND has_table_privilege('{role}', oid, 'SELECT,INSERT,UPDATE,DELETE')",
        )
        assert reached == [], role


def test_what_runs_with_the_owners_rights_fixes_its_path_and_is_not_for_everybody(database_urls: RoleUrls) -> None:
    rows = ask(
        database_urls.superuser,
        """
        SELECT p.proname, p.proconfig::text, has_function_privilege('public', p.oid, 'EXECUTE')
        FROM pg_proc p WHERE p.pronamespace = 'maru'::regnamespace AND p.prosecdef
        """,
    )
    assert len(rows) > 8
    for name, settings, everybody in rows:
        assert "search_path=" in str(settings), name
        assert not everybody, name


def test_only_the_owner_makes_an_administrator(database_urls: RoleUrls) -> None:
    for role in OURS:
        ((may,),) = ask(
            database_urls.superuser, f"SELECT has_function_privilege('{role}', 'maru.make_admin(uuid)', 'EXECUTE')"
        )
        assert may is False, role


def test_a_person_may_not_change_whose_a_profile_or_a_space_is(database_urls: RoleUrls) -> None:
    for column in ("profiles.is_admin", "profiles.email", "profiles.user_id", "spaces.owner_id", "spaces.kind"):
        table, _, name = column.partition(".")
        ((may,),) = ask(
            database_urls.superuser,
            f"SELECT has_column_privilege('authenticated', 'maru.{table}', '{name}', 'UPDATE')",
        )
        assert may is False, column


def test_what_a_deleted_space_takes_along_is_found_by_an_index(database_urls: RoleUrls) -> None:
    slow = ask(
        database_urls.superuser,
        """
        SELECT c.conrelid::regclass::text || ' ' || pg_get_constraintdef(c.oid) FROM pg_constraint c
        WHERE c.contype = 'f' AND c.connamespace IN ('maru'::regnamespace, 'idp'::regnamespace) AND NOT EXISTS (
          SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])
        """,
    )
    assert slow == []
