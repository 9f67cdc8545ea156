"""One Postgres server for one Maru home: made, started, watched until it answers, stopped."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from maru.errors import CannotStart
from maru.home import make_private, socket_folder
from maru.postgres import strays
from maru.postgres.wheel import MAJOR_VERSION, ServerUser, program, run

SUPERUSER = "postgres"
DATABASE = "maru"
_LOG_KEPT_BYTES = 10_000_000
_MEMORY_IN_USE = "pre-existing shared memory block"


@dataclass(frozen=True, slots=True)
class Tuning:
    """Server settings, given on the command line so that a release changes them without touching the data folder."""

    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def for_one_machine(cls) -> Tuning:
        """Two cores and a laptop's memory, and nothing acknowledged before it is on disk."""
        return cls(
            {
                "fsync": "on",
                "synchronous_commit": "on",
                "full_page_writes": "on",
                "shared_buffers": "128MB",
                "effective_cache_size": "1GB",
                "work_mem": "16MB",
                "maintenance_work_mem": "64MB",
                "max_connections": "80",
                "max_wal_size": "1GB",
                "wal_level": "minimal",
                "max_wal_senders": "0",
                "io_method": "sync",
                "random_page_cost": "1.1",
                "jit": "off",
                "max_parallel_workers_per_gather": "0",
                "autovacuum_naptime": "15s",
                # A forgotten transaction pins the oldest row version and slows every claim down twenty-fold.
                "idle_in_transaction_session_timeout": "60s",
                "transaction_timeout": "15min",
                "lock_timeout": "30s",
                "deadlock_timeout": "200ms",
                "log_checkpoints": "off",
                "log_timezone": "UTC",
                "timezone": "UTC",
            }
        )

    @classmethod
    def for_tests(cls) -> Tuning:
        """The same server without waiting for the disk, and with room for every test worker's pools."""
        faster = {
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "400",
            "autovacuum_naptime": "60s",
        }
        return cls(cls.for_one_machine().settings | faster)


class EmbeddedPostgres:
    """The server of one home folder.

    It listens on a Unix socket only, in a folder that nobody else may enter: that folder is the password.
    """

    def __init__(self, home: Path, tuning: Tuning | None = None, *, dies_with_parent: bool = False) -> None:
        """`dies_with_parent`: the server ends (cleanly) when the thread that called `start` does, even by kill -9. Linux only; elsewhere the
        next start finds and stops what was left."""
        self.home = home.resolve()
        self.data = self.home / "pg"
        self.log = self.home / "logs" / "postgres.log"
        self.cluster = "maru-" + hashlib.sha256(str(self.data).encode()).hexdigest()[:12]
        self._tuning = tuning or Tuning.for_one_machine()
        self._dies_with_parent = dies_with_parent
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket_folder(self) -> Path:
        """Where clients find it."""
        return socket_folder(self.home)

    def dsn(self, role: str = SUPERUSER, database: str = DATABASE) -> str:
        """Where `role` connects."""
        return f"postgresql://{role}@/{database}?host={quote(str(self.socket_folder), safe='/')}"

    def start(self) -> None:
        """Bring the server up and return when it answers a query; data that needs recovery is waited for."""
        user = ServerUser.current()
        make_private(self.home)
        make_private(self.socket_folder)
        make_private(self.log.parent)
        self._check_version()
        strays.stop(self.data, self.cluster)
        for left_behind in self.socket_folder.glob(".s.PGSQL.*"):
            left_behind.unlink()
        if not (self.data / "PG_VERSION").exists():
            self._make(user)
        self._launch_until_up(user)
        self._ensure_database()

    def stop(self, within_s: float = 8.0) -> None:
        """End every session and write everything to disk; a server that takes longer is told to stop at once and will recover."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        for number, patience_s in ((signal.SIGINT, within_s), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 2.0)):
            process.send_signal(number)
            try:
                process.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue
            return

    @property
    def pid(self) -> int | None:
        """The server's process id, while it is ours and alive."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def _check_version(self) -> None:
        try:
            found = (self.data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return
        if found != str(MAJOR_VERSION):
            raise CannotStart(
                f"The data in {self.data} was written by Postgres {found}, and this Maru runs Postgres {MAJOR_VERSION}: "
                f"use the Maru release it came from to export it, or set MARU_HOME to another folder."
            )

    def _make(self, user: ServerUser) -> None:
        # A crash in the middle of making it leaves no PG_VERSION in place: the folder appears under its name only when it is complete.
        unfinished = self.data.with_name("pg.unfinished")
        if unfinished.exists():
            import shutil

            shutil.rmtree(unfinished)
        user.own(unfinished)
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        sync = [] if self._tuning.settings.get("fsync") == "on" else ["--no-sync"]
        outcome = run(
            user,
            [str(program("initdb")), "-D", str(unfinished), "-U", SUPERUSER, "--auth=trust", *locale, *sync],
            cwd=self.home,
        )
        if outcome.returncode != 0:
            raise CannotStart(f"The database folder {self.data} could not be made: {_last_words(outcome.stderr)}")
        unfinished.rename(self.data)

    def _launch_until_up(self, user: ServerUser) -> None:
        deadline = time.monotonic() + 15
        while True:
            self._launch(user)
            said = self._wait()
            if said is None:
                return
            if _MEMORY_IN_USE not in said or time.monotonic() > deadline:
                raise CannotStart(f"Postgres did not start: {_last_words(said)} (its log is {self.log})")
            time.sleep(0.3)

    def _launch(self, user: ServerUser) -> None:
        if self.log.exists() and self.log.stat().st_size > _LOG_KEPT_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        settings = self._tuning.settings | {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_folder),
            "unix_socket_permissions": "0700" if not user.substituted else "0777",
            "cluster_name": self.cluster,
        }
        argv = [str(program("postgres")), "-D", str(self.data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                user.command(argv, dies_with_parent=self._dies_with_parent),
                cwd=self.home,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal reaches the whole group: the database must be the last to hear of it.
                start_new_session=True,
            )

    def _wait(self) -> str | None:
        """None when a query was answered, otherwise what the server said before it ended."""
        import psycopg

        assert self._process is not None
        began = self.log.stat().st_size
        while self._process.poll() is None:
            try:
                with psycopg.connect(self.dsn(database="postgres"), connect_timeout=2) as connection:
                    connection.execute("SELECT 1")
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return None
        with self.log.open("rb") as log:
            log.seek(max(0, min(began, self.log.stat().st_size) - 2000))
            return log.read().decode(errors="replace")

    def _ensure_database(self) -> None:
        import psycopg

        with psycopg.connect(self.dsn(database="postgres"), autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")


def _last_words(text: str) -> str:
    """The most telling line of a program's complaint."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if any(mark in line for mark in ("FATAL", "PANIC", "error:", "ERROR"))]
    return (telling or lines or ["it said nothing"])[-1][:300]
