"""The embedded server: made, found again, recovered, taken over, refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest
from maru.errors import CannotStart
from maru.home import socket_folder
from maru.postgres import EmbeddedPostgres, Tuning, strays
from shared.testing.waiting import eventually_sync

QUICK = Tuning.for_tests()


@pytest.fixture
def home(tmp_path: Path) -> Generator[Path]:
    yield tmp_path / "home"
    server = EmbeddedPostgres(tmp_path / "home")
    strays.stop(server.data, server.cluster)


def ask(server: EmbeddedPostgres, query: str, role: str = "postgres") -> object:
    with psycopg.connect(server.dsn(role), autocommit=True) as connection:
        cursor = connection.execute(query)  # type: ignore[call-overload]
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def test_a_second_start_finds_what_the_first_wrote(home: Path) -> None:
    server = EmbeddedPostgres(home, QUICK)
    server.start()
    ask(server, "CREATE TABLE kept AS SELECT 42 AS x")
    server.stop()
    assert strays.running(server.cluster) == []
    again = EmbeddedPostgres(home, QUICK)
    again.start()
    assert ask(again, "SELECT x FROM kept") == 42
    again.stop()


def test_it_acknowledges_only_what_is_on_disk_and_limits_forgotten_transactions(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    try:
        settings = {
            name: ask(server, f"SHOW {name}")
            for name in (
                "fsync",
                "synchronous_commit",
                "full_page_writes",
                "listen_addresses",
                "idle_in_transaction_session_timeout",
            )
        }
    finally:
        server.stop()
    assert settings == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "listen_addresses": "",
        "idle_in_transaction_session_timeout": "1min",
    }


def test_nobody_else_may_enter_its_folders(home: Path) -> None:
    server = EmbeddedPostgres(home, QUICK)
    server.start()
    server.stop()
    for folder in (server.home, server.data, server.socket_folder):
        assert folder.stat().st_mode & 0o077 == 0, folder


def test_a_home_with_a_long_path_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 80) / ("마루" * 20)
    server = EmbeddedPostgres(deep, QUICK)
    server.start()
    try:
        assert ask(server, "SELECT 1") == 1
        assert len(str(server.socket_folder)) < 60
        assert server.socket_folder.stat().st_mode & 0o077 == 0
    finally:
        server.stop()


def test_two_homes_do_not_meet(tmp_path: Path) -> None:
    one, two = EmbeddedPostgres(tmp_path / "one", QUICK), EmbeddedPostgres(tmp_path / "two", QUICK)
    one.start()
    two.start()
    try:
        ask(one, "CREATE TABLE mine (x int)")
        assert ask(two, "SELECT to_regclass('mine')") is None
    finally:
        one.stop()
        assert ask(two, "SELECT 1") == 1
        two.stop()


def test_data_of_another_version_is_refused_in_one_sentence(home: Path) -> None:
    (home / "pg").mkdir(parents=True)
    (home / "pg" / "PG_VERSION").write_text("16\n")
    with pytest.raises(CannotStart, match=r"written by Postgres 16, and this Maru runs Postgres 18: .* MARU_HOME"):
        EmbeddedPostgres(home, QUICK).start()


def test_a_damaged_data_folder_is_refused_in_one_sentence(home: Path) -> None:
    server = EmbeddedPostgres(home, QUICK)
    server.start()
    server.stop()
    (server.data / "global" / "pg_control").unlink()
    with pytest.raises(CannotStart, match="Postgres did not start") as refusal:
        EmbeddedPostgres(home, QUICK).start()
    assert "\n" not in str(refusal.value)


def test_making_it_is_begun_again_after_a_crash_in_the_middle(home: Path) -> None:
    unfinished = home / "pg.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(home, QUICK)
    server.start()
    assert ask(server, "SELECT 1") == 1
    server.stop()


def test_a_lock_file_of_a_process_that_is_something_else_now_is_not_believed(home: Path) -> None:
    server = EmbeddedPostgres(home, QUICK)
    server.start()
    server.stop()
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n0\n5432\n\n\n\nready\n")
    server.start()
    assert ask(server, "SELECT 1") == 1
    server.stop()


def test_a_server_whose_owner_was_killed_is_taken_over(home: Path) -> None:
    child = _owner(home, dies_with_parent=False)
    server = EmbeddedPostgres(home, QUICK)
    old = strays.postmaster(server.data, server.cluster)
    assert old is not None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    server.start()
    assert server.pid != old
    assert ask(server, "SELECT count(*) FROM kept") == 1
    server.stop()
    assert strays.running(server.cluster) == []


def test_a_server_ends_with_the_process_that_started_it(home: Path) -> None:
    child = _owner(home, dies_with_parent=True)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert eventually_sync(lambda: not strays.running(EmbeddedPostgres(home).cluster))


def test_a_killed_postmaster_is_recovered_with_everything_that_was_committed(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    ask(server, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS x")
    pid = strays.postmaster(server.data, server.cluster)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    again = EmbeddedPostgres(home)
    again.start()
    assert ask(again, "SELECT count(*) FROM kept") == 1000
    again.stop()


def _owner(home: Path, *, dies_with_parent: bool) -> subprocess.Popen[bytes]:
    """A process that starts the server, writes a row and waits to be killed."""
    code = (
        "import sys, time; from pathlib import Path; import psycopg; from maru.postgres import EmbeddedPostgres, Tuning\n"
        f"server = EmbeddedPostgres(Path({str(home)!r}), Tuning.for_tests(), dies_with_parent={dies_with_parent}); server.start()\n"
        "psycopg.connect(server.dsn(), autocommit=True).execute('CREATE TABLE kept AS SELECT 1')\n"
        "print('up', flush=True); time.sleep(600)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"up\n"
    return child


def test_the_socket_folder_is_refused_when_it_belongs_to_somebody_else(tmp_path: Path) -> None:
    from maru.home import make_private

    target = tmp_path / "theirs"
    target.mkdir()
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(CannotStart, match="belongs to another user"):
        make_private(link)


def test_short_homes_keep_their_sockets_inside(tmp_path: Path) -> None:
    assert socket_folder(Path("/srv/maru")) == Path("/srv/maru/run")
    long = Path("/srv") / ("x" * 100)
    assert socket_folder(long) == socket_folder(long)
    assert socket_folder(long) != socket_folder(long / "y")
