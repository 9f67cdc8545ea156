"""What goes wrong is said in one sentence that names what to change, whichever command meets it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maru.commands.doctor import examine
from maru.commands.findings import Finding, render
from maru.errors import CannotStart
from maru.home import Home
from maru.runtime.environment import port_of, read_service_env, write_service_env
from maru.runtime.logs import log_to_file
from psycopg import sql
from shared.db import Database, Principal
from shared.ids import new_id
from shared.testing.postgres import RoleUrls


def maru(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command as a person runs it."""
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | variables
    return subprocess.run(
        [sys.executable, "-m", "maru", *arguments], env=env, capture_output=True, text=True, timeout=120, check=False
    )


def sentence(told: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refusal is."""
    assert told.returncode == 1, told.stdout + told.stderr
    assert "Traceback" not in told.stderr
    (line,) = [line for line in told.stderr.splitlines() if line]
    assert line.startswith("maru: ")
    return line


AWAY = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}


@pytest.mark.parametrize("command", [("dead-letters", "list"), ("dead-letters", "retry"), ("reindex",)])
def test_a_database_that_is_away_is_said_by_every_command(command: tuple[str, ...], tmp_path: Path) -> None:
    assert "database does not answer" in sentence(maru(*command, MARU_HOME=str(tmp_path), **AWAY))


def test_the_log_level_is_checked_before_anything_is_made(tmp_path: Path) -> None:
    told = maru("up", "--no-ui", MARU_HOME=str(tmp_path / "home"), MARU_LOG_LEVEL="loud")
    assert "MARU_LOG_LEVEL is 'loud'" in sentence(told)
    assert not (tmp_path / "home" / "pg").exists()


def test_an_api_that_does_not_answer_is_said_by_eval(tmp_path: Path) -> None:
    assert "http://127.0.0.1:1 does not answer" in sentence(maru("eval", "--url", "http://127.0.0.1:1"))


def test_a_folder_for_the_figures_that_is_not_there_is_said_before_they_are_measured(tmp_path: Path) -> None:
    told = maru("eval", "--url", "http://127.0.0.1:1", "--json", str(tmp_path / "none" / "x.json"))
    assert "does not exist: make it first" in sentence(told)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "localhost:8000", "http://[", "ftp://maru.example"])
def test_seeding_an_address_that_does_not_answer_fails_in_a_sentence(url: str) -> None:
    told = maru("seed", "--url", url)
    assert told.returncode == 1
    assert told.stdout.startswith("maru: the demo could not be written")
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("level", ["debug", "Info", "WARNING"])
def test_a_log_level_may_be_written_in_any_case(level: str, tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from maru.runtime.logs import log_to_file; log_to_file(Path(sys.argv[1]), sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, str(tmp_path), level], check=True)
    assert (tmp_path / "maru.log").exists()


def test_a_log_level_that_is_none_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="DEBUG, INFO, WARNING or ERROR"):
        log_to_file(tmp_path, "everything")
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=8) | st.integers(-1, 70_000).map(str) | st.sampled_from(["²", "８０００", " 80"]))
def test_a_port_is_a_port_or_a_sentence(text: str) -> None:
    if not text or (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        assert port_of({"MARU_API_PORT": text}, "api") == int(text or 8000)
    else:
        with pytest.raises(CannotStart, match="MARU_API_PORT"):
            port_of({"MARU_API_PORT": text}, "api")


anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True), anything, max_size=5))
def test_a_value_of_many_lines_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("env") / "service.env"
    write_service_env(path, variables)
    assert read_service_env(path) == variables


def test_a_shell_reads_a_key_of_many_lines_as_we_do(tmp_path: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nab'c\"d\n-----END PRIVATE KEY-----\n"
    write_service_env(tmp_path / "service.env", {"A_KEY": key})
    shell = subprocess.run(
        ["sh", "-c", f'set -a; . "{tmp_path}/service.env"; printf %s "$A_KEY"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout == read_service_env(tmp_path / "service.env")["A_KEY"].rstrip() + "\n"


def test_a_file_of_variables_that_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / "service.env").write_text("A='never closed\n")
    with pytest.raises(CannotStart, match="remove it"):
        read_service_env(tmp_path / "service.env")


def found(findings: list[Finding], what: str) -> Finding:
    (finding,) = [finding for finding in findings if finding.what == what]
    return finding


def test_the_doctor_of_a_database_without_tables_says_to_start_maru(database_urls: RoleUrls, tmp_path: Path) -> None:
    name = f"e_{uuid4().hex}"
    with psycopg.connect(database_urls.superuser, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = database_urls.superuser.replace(database_urls.name, name)
        findings = examine({"MARU_HOME": str(tmp_path), "DATABASE_URL": url})
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    assert found(findings, "schema").state == "warning"
    assert "make run" in found(findings, "schema").advice


def test_the_doctor_of_a_database_that_is_away_finds_it_wrong(tmp_path: Path) -> None:
    assert found(examine({"MARU_HOME": str(tmp_path), **AWAY}), "database").state == "wrong"


def test_the_doctor_of_a_home_that_is_a_file_finds_it_wrong(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    findings = examine({"MARU_HOME": str(tmp_path / "home"), **AWAY})
    assert found(findings, "home").state == "wrong"
    assert "MARU_HOME" in found(findings, "home").advice


def test_the_doctor_counts_what_waits_is_given_up_and_set_aside(database_urls: RoleUrls, tmp_path: Path) -> None:
    with psycopg.connect(database_urls.superuser, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO local.deliveries (message_id, subscription, kind, seq, body, published_at, dead_at, last_error) "
            "VALUES (gen_random_uuid(), 'q', 'task', 0, '{}', now(), now(), '422: the cause')"
        )
        admin.execute(
            "INSERT INTO maru.outbox (id, kind, topic_or_queue, body) SELECT gen_random_uuid(), 'task', 'q', '{}' FROM generate_series(1, 3)"
        )
    findings = examine({"MARU_HOME": str(tmp_path), "DATABASE_URL": database_urls.superuser})
    assert found(findings, "messages").found == "3 waiting, 1 given up"
    assert found(findings, "dead letters").found == "422: the cause"
    said: list[str] = []
    assert render(findings, said.append) is False
    assert any(line.startswith("WRONG") for line in said)


def test_every_finding_that_is_not_well_says_what_to_do(database_urls: RoleUrls, tmp_path: Path) -> None:
    findings = examine({"MARU_HOME": str(tmp_path), "DATABASE_URL": database_urls.superuser})
    assert all(finding.advice for finding in findings if finding.state != "ok")
    assert render(findings, lambda _: None) is True


def test_the_doctor_of_a_running_home_names_each_service_that_is_silent(
    database_urls: RoleUrls, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    home.lock()
    sockets = [socket.socket() for _ in range(4)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    names = ("api", "ingest", "inference", "ui")
    # Bound and not listening: nothing else takes the port meanwhile, and nothing answers on it.
    ports = {f"MARU_{name.upper()}_PORT": str(each.getsockname()[1]) for name, each in zip(names, sockets, strict=True)}
    findings = examine({"MARU_HOME": str(home.folder), "DATABASE_URL": database_urls.superuser, **ports})
    home.unlock()
    for each in sockets:
        each.close()
    states = {name: found(findings, name).state for name in names}
    assert states == {"api": "wrong", "ingest": "wrong", "inference": "wrong", "ui": "warning"}


async def test_the_owner_of_a_postgres_of_ones_own_finds_the_tables_too(database_url: str) -> None:
    database = Database(database_url)
    try:
        person = Principal(new_id(), "owner@maru.example")
        async with database.service_tx() as connection:
            await connection.fetchval(
                "SELECT ensure_account($1, $2, '', $3, 'en')", person.user_id, person.email, new_id()
            )
        async with database.tenant_tx(person) as connection:
            assert await connection.fetchval("SELECT count(*) FROM spaces") == 1
            assert await connection.fetchval("SELECT current_user") == "authenticated"
        async with database.tenant_tx(Principal(new_id(), "")) as connection:
            assert await connection.fetchval("SELECT count(*) FROM spaces") == 0
    finally:
        await database.close()
