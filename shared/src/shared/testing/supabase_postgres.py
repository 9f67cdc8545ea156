"""A Postgres whose roles and privileges are those of a Supabase project: the owner is no superuser, and `auth` belongs to somebody else.

What is imitated was read in the SQL with which Supabase makes its projects (its `postgres` repository, Postgres 16 and later): who may do what, not
what its own services keep there.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from maru.postgres import EmbeddedPostgres, Tuning

from shared.testing.postgres import RoleUrls

# The program names its first superuser `postgres`, who can never be demoted; it steps aside for a `postgres` as Supabase has one.
_SERVER = """
CREATE ROLE supabase_admin SUPERUSER LOGIN;
"""
_ROLES = """
ALTER ROLE postgres RENAME TO bootstrap;
CREATE ROLE postgres LOGIN NOSUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS;
ALTER ROLE postgres SET search_path = "$user", public, extensions;
CREATE ROLE anon NOLOGIN NOINHERIT;
CREATE ROLE authenticated NOLOGIN NOINHERIT;
CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated, service_role TO authenticator;
GRANT anon, authenticated, service_role TO postgres WITH ADMIN OPTION;
ALTER ROLE anon SET statement_timeout = '3s';
ALTER ROLE authenticated SET statement_timeout = '8s';
CREATE ROLE supabase_auth_admin NOINHERIT CREATEROLE LOGIN NOREPLICATION;
"""
_PROJECT = """
GRANT ALL ON DATABASE {name} TO postgres;
CREATE SCHEMA extensions;
GRANT USAGE ON SCHEMA extensions TO postgres, anon, authenticated, service_role;
ALTER SCHEMA public OWNER TO pg_database_owner;
GRANT ALL ON SCHEMA public TO postgres;
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
CREATE SCHEMA auth AUTHORIZATION supabase_admin;
CREATE TABLE auth.users (id uuid PRIMARY KEY, email varchar(255) UNIQUE, raw_user_meta_data jsonb);
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
  SELECT coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
ALTER TABLE auth.users OWNER TO supabase_auth_admin;
ALTER FUNCTION auth.uid() OWNER TO supabase_auth_admin;
GRANT ALL ON SCHEMA auth TO supabase_auth_admin;
GRANT USAGE ON SCHEMA auth TO postgres, anon, authenticated, service_role;
GRANT ALL ON auth.users TO postgres;
"""


class SupabasePostgres:
    """One server with the roles of a project, and any number of databases that each look like a project's."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedPostgres(folder, Tuning.for_tests(), dies_with_parent=True)

    def start(self) -> None:
        """Bring it up; its roles are made once."""
        self._server.start()
        self._run(self._server.dsn(), _SERVER)
        self._run(self._server.dsn("supabase_admin"), _ROLES)

    def stop(self) -> None:
        """End it."""
        self._server.stop()

    @property
    def socket_folder(self) -> Path:
        """Where a pooler finds it."""
        return self._server.socket_folder

    def project(self) -> RoleUrls:
        """A database in which nothing of ours has run; `superuser` is `postgres`, who is none."""
        name = f"p_{uuid4().hex}"
        self._run(self._server.dsn("supabase_admin", "postgres"), f"CREATE DATABASE {name} OWNER supabase_admin")
        self._run(self._server.dsn("supabase_admin", name), _PROJECT.format(name=name))
        logins = {service: self._server.dsn(f"maru_{service}", name) for service in ("api", "ingest", "inference")}
        return RoleUrls(superuser=self._server.dsn("postgres", name), name=name, **logins)

    def admin(self, project: RoleUrls) -> str:
        """The address of the one superuser, whom nobody outside Supabase ever is: for preparing and checking."""
        return self._server.dsn("supabase_admin", project.name)

    @staticmethod
    def _run(dsn: str, statements: str) -> None:
        import psycopg

        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(statements.encode())


@contextmanager
def run_supabase_postgres(folder: Path) -> Generator[SupabasePostgres]:
    """A server of one's own for as long as the block runs."""
    server = SupabasePostgres(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
