"""`maru migrate` as an operator runs it, on a server of their own that asks for passwords."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest
from maru.commands.migrating import owner_dsn, passwords_of
from maru.errors import CannotStart
from maru.postgres import EmbeddedPostgres, Tuning

PASSWORD = "a password with 'quotes' and 한글"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmbeddedPostgres]:
    postgres = EmbeddedPostgres(tmp_path_factory.mktemp("pg"), Tuning.for_tests())
    postgres.start()
    rules = postgres.data / "pg_hba.conf"
    rules.write_text("local all postgres trust\nlocal all all scram-sha-256\n")
    with psycopg.connect(postgres.dsn()) as connection:
        connection.execute("SELECT pg_reload_conf()")
    yield postgres
    postgres.stop()


def maru(server: EmbeddedPostgres, *arguments: str, stdin: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "MARU_OWNER_DATABASE_URL": server.dsn()} | extra
    argv = [sys.executable, "-m", "maru", "migrate", *arguments]
    return subprocess.run(argv, env=env, input=stdin, capture_output=True, text=True, timeout=120, check=False)


def test_up_with_passwords_lets_the_services_in_and_down_and_up_bring_the_schema_back(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    assert maru(server, "status").returncode == 3
    (tmp_path / "secret").write_text(PASSWORD + "\n")
    done = maru(
        server,
        "up",
        "--set-passwords",
        "--passwords-stdin",
        stdin=json.dumps({"maru_ingest": PASSWORD}),
        MARU_API_PASSWORD=f"file://{tmp_path}/secret",
    )
    assert done.returncode == 0, done.stderr
    assert "maru_api has its password.\nmaru_ingest has its password.\n" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    for role in ("maru_api", "maru_ingest"):
        with psycopg.connect(server.dsn(role), password=PASSWORD) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (role,)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.dsn(role), password="another one of no use")
    assert PASSWORD not in server.log.read_text()
    assert maru(server, "status").returncode == 0
    down = maru(server, "down", "--to", "0004")
    assert down.returncode == 0, down.stderr
    assert "0005  undone" in down.stdout
    assert "0004  undone" not in down.stdout
    assert "0005  pre   waits" in maru(server, "status").stdout
    assert maru(server, "up", "--phase", "pre").returncode == 0
    assert maru(server, "status").returncode == 0


def test_the_owner_s_database_may_be_named_by_a_mounted_file(server: EmbeddedPostgres, tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text(server.dsn() + "\n")
    done = maru(server, "up", MARU_OWNER_DATABASE_URL=f"file://{tmp_path}/dsn")
    assert done.returncode == 0, done.stderr
    missing = maru(server, "up", MARU_OWNER_DATABASE_URL=f"file://{tmp_path}/lost")
    assert missing.returncode == 1
    assert "cannot be read" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_rows_written_before_a_way_down_are_there_after_the_way_up(server: EmbeddedPostgres) -> None:
    assert maru(server, "up").returncode == 0
    with psycopg.connect(server.dsn()) as connection:
        connection.execute("INSERT INTO maru.spaces VALUES (gen_random_uuid(), '가족', 'shared', gen_random_uuid())")
    assert maru(server, "down", "--to", "0003").returncode == 0
    assert maru(server, "up").returncode == 0
    with psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT count(*) FROM maru.spaces WHERE name = '가족'").fetchone() == (1,)


@pytest.mark.parametrize(
    ("arguments", "stdin", "sentence"),
    [
        (["up", "--to", "9999"], "", "does not know the step 9999"),
        (["down", "--to", "9999"], "", "does not know the step 9999"),
        (["up", "--set-passwords"], "", "No password is given: set MARU_API_PASSWORD"),
        (["up", "--passwords-stdin"], "[]", "no object of passwords"),
        (["up", "--passwords-stdin"], '{"maru_api": "short"}', "at least 16 characters"),
        (["up", "--passwords-stdin"], '{"postgres": "long enough for anybody"}', "postgres is no login role"),
    ],
    ids=["up", "down", "no-password", "no-object", "short", "role"],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    server: EmbeddedPostgres, arguments: list[str], stdin: str, sentence: str
) -> None:
    refused = maru(server, *arguments, stdin=stdin)
    assert refused.returncode == 1
    assert refused.stderr.startswith("maru: ")
    assert sentence in refused.stderr


@pytest.mark.parametrize(
    "env",
    [
        {"DATABASE_URL": "postgresql://u@db.example:6543/postgres"},
        {"MARU_OWNER_DATABASE_URL": "postgresql://u@db.example:6543/postgres", "DATABASE_URL": "postgresql://u@db/x"},
        {"DATABASE_URL": "postgresql://u@db.example/postgres?pgbouncer=true"},
        {"DATABASE_URL": "postgresql://u@db.example/postgres", "DATABASE_POOLED": "1"},
    ],
    ids=["port", "owner", "parameter", "variable"],
)
def test_a_transaction_pooler_is_refused(env: dict[str, str]) -> None:
    with pytest.raises(CannotStart, match="transaction pooler"):
        owner_dsn(env)


def test_the_owners_address_wins_and_none_is_said_so() -> None:
    both = {"MARU_OWNER_DATABASE_URL": "postgresql://o@h/d", "DATABASE_URL": "postgresql://s@h:6543/d"}
    assert owner_dsn(both) == "postgresql://o@h/d"
    with pytest.raises(CannotStart, match="No database is named"):
        owner_dsn({})


def test_a_password_file_that_is_not_there_is_said_so() -> None:
    with pytest.raises(CannotStart, match="/nowhere/secret cannot be read"):
        passwords_of({"MARU_API_PASSWORD": "file:///nowhere/secret"}, None, from_variables=True)
