"""A real Postgres for tests: one server a run, one database a test.

All workers of a run share the server. The first one makes it, applies the migrations to a template, and every test gets a copy of that template,
which takes some tens of milliseconds. The last worker to leave stops it; what a killed run left behind is swept by the next one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, LiteralString
from uuid import uuid4

from maru.postgres import EmbeddedPostgres, Tuning, strays

if TYPE_CHECKING:
    import psycopg

TEMPLATE = "maru_template"


@dataclass(frozen=True, slots=True)
class RoleUrls:
    """One database, as each login role reaches it."""

    superuser: str
    api: str
    ingest: str
    inference: str
    name: str


class SharedPostgres:
    """The server of one test run, held open by every worker that uses it."""

    def __init__(self, run: str) -> None:
        self._folder = _base() / run
        self._server = EmbeddedPostgres(self._folder, Tuning.for_tests())
        # Beside the folder, so that a worker that waits for a lock does not find it gone with the folder.
        self._making = _base() / f"{run}.making"
        self._held: IO[str] | None = None
        self._clerk = ThreadPoolExecutor(1, thread_name_prefix="databases")
        self._next: Future[str] | None = None
        self._admin: psycopg.Connection[Any] | None = None

    def open(self) -> None:
        """Make the server, or join the one that another worker made."""
        _base().mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(self._folder.name)
        with _locked(self._making):
            self._held = _users(self._folder.name).open("w")
            fcntl.flock(self._held, fcntl.LOCK_SH)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            made = self._folder / "made"
            if not made.exists():
                self._server.start()
                self._make_template()
                made.touch()

    def close(self) -> None:
        """Leave; the last one out stops the server and removes its data."""
        assert self._held is not None
        self._clerk.shutdown()
        if self._admin is not None:
            self._admin.close()
        with _locked(self._making):
            try:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._held.close()
                return
            _remove(self._folder, self._server)
            self._held.close()

    @contextmanager
    def database(self) -> Generator[RoleUrls]:
        """A database of one's own, gone at the end even if connections to it are still open.

        The next one is copied, and the last one dropped, while tests run.
        """
        ours = self._next or self._clerk.submit(self._create)
        self._next = self._clerk.submit(self._create)
        name = ours.result()
        try:
            yield self.urls(name)
        finally:
            self._clerk.submit(self._administrate, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def urls(self, name: str) -> RoleUrls:
        """How each role reaches the database `name`."""
        roles = {role: self._server.dsn(f"maru_{role}", name) for role in ("api", "ingest", "inference")}
        return RoleUrls(superuser=self._server.dsn(database=name), name=name, **roles)

    def _create(self) -> str:
        name = f"t_{uuid4().hex}"
        self._administrate(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
        return name

    def _administrate(self, statement: LiteralString) -> None:
        """Run a statement on the clerk's one connection; connecting costs as much as copying."""
        import psycopg

        if self._admin is None or self._admin.closed:
            self._admin = psycopg.connect(self._server.dsn(database="postgres"), autocommit=True)
        self._admin.execute(statement)

    def _make_template(self) -> None:
        import psycopg
        from migrations import upgrade

        with psycopg.connect(self._server.dsn(database="postgres"), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {TEMPLATE}")
        upgrade(self._server.dsn(database=TEMPLATE))


def run_name() -> str:
    """The same for every xdist worker of one run."""
    return "r" + os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid4().hex)[:12]


def _base() -> Path:
    # Not under pytest's own temporary folder: its path is too long for a socket.
    return Path(tempfile.gettempdir()) / f"maru-tests-{os.geteuid()}"


def _users(run: str) -> Path:
    return _base() / f"{run}.users"


def _sweep(ours: str) -> None:
    """Stop the servers of runs that were killed."""
    for users in _base().glob("r*.users"):
        if users.stem == ours:
            continue
        try:
            with users.open("r") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                folder = users.with_suffix("")
                _remove(folder, EmbeddedPostgres(folder))
                users.unlink()
                users.with_suffix(".making").unlink(missing_ok=True)
        except OSError:
            continue


def _remove(folder: Path, server: EmbeddedPostgres) -> None:
    strays.stop(server.data, server.cluster)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
