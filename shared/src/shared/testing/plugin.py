"""pytest plugin: a real, migrated Postgres for whoever asks for it."""

from __future__ import annotations

import signal
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from shared.testing.google_peer import GooglePeer
    from shared.testing.postgres import RoleUrls, SharedPostgres


def pytest_configure() -> None:
    """Property tests say nothing about time: the machine that runs them is shared. Ctrl-C reaches what tests start, also when they run in the
    background, where a shell has it ignored."""
    from hypothesis import settings

    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    settings.register_profile("maru", deadline=None)
    settings.load_profile("maru")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole products and browsers are many processes each: of these one test runs at a time, beside all the others."""
    for item in items:
        if item.get_closest_marker("serial") or item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.xdist_group("product"))


@pytest.fixture(scope="session")
def shared_postgres() -> Generator[SharedPostgres]:
    """The server of this run."""
    from shared.testing.postgres import SharedPostgres, run_name

    server = SharedPostgres(run_name())
    server.open()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def database_urls(shared_postgres: SharedPostgres) -> Generator[RoleUrls]:
    """A migrated database of this test alone, as each role reaches it."""
    with shared_postgres.database() as urls:
        yield urls


@pytest.fixture
def database_url(database_urls: RoleUrls) -> str:
    """The same database, as its owner (who is above row-level security: for preparing and checking, never for the code under test)."""
    return database_urls.superuser


@pytest.fixture
def api_database_url(database_urls: RoleUrls) -> str:
    """The same database, as the api reaches it."""
    return database_urls.api


@pytest.fixture
def ingest_database_url(database_urls: RoleUrls) -> str:
    """The same database, as ingest reaches it."""
    return database_urls.ingest


@pytest.fixture
def inference_database_url(database_urls: RoleUrls) -> str:
    """The same database, as inference reaches it."""
    return database_urls.inference


@pytest.fixture
def pooled_urls(database_urls: RoleUrls, tmp_path: Path) -> Generator[RoleUrls]:
    """The same database, its services' logins through a transaction pooler with one connection for each of them."""
    from shared.testing.pgbouncer import pooled

    with pooled(database_urls, tmp_path / "pgbouncer") as urls:
        yield urls


@pytest.fixture
def google_peer() -> Generator[GooglePeer]:
    """Pub/Sub, Cloud Tasks, Secret Manager and Google's certificates, empty, with waits twenty times as short."""
    from shared.testing.google_peer import run_google_peer

    with run_google_peer(hurry=20) as peer:
        yield peer
