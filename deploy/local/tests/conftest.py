"""What the tests of the one-machine runtime share."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from maru.deliverer import Deliverer, HttpCaller, TokenSigner
from maru.runtime.secrets import LocalSecrets
from receiver import Receiver
from shared.db import Database
from shared.deliveries import Route
from shared.testing.postgres import RoleUrls

Delivering = Callable[..., AbstractAsyncContextManager[Deliverer]]


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> LocalSecrets:
    return LocalSecrets.load(tmp_path_factory.mktemp("secrets"))


@pytest.fixture
async def deliverer_database(shared_postgres: object, database_urls: RoleUrls) -> AsyncGenerator[Database]:
    database = Database(database_urls.superuser.replace("postgres@", "maru_deliverer@"))
    yield database
    await database.close()


@pytest.fixture
async def producer(ingest_database_url: str) -> AsyncGenerator[Database]:
    database = Database(ingest_database_url)
    yield database
    await database.close()


@pytest.fixture
def delivering(deliverer_database: Database, secrets: LocalSecrets) -> Delivering:
    """Runs a deliverer against a receiver for the length of a block."""

    @asynccontextmanager
    async def run(receiver: Receiver, *routes: Route) -> AsyncGenerator[Deliverer]:
        signer = TokenSigner(secrets.callback_private_key)
        deliverer = Deliverer(deliverer_database, routes, {"ingest": receiver.base}, HttpCaller(), signer)
        await deliverer.start()
        try:
            yield deliverer
        finally:
            await deliverer.stop(within_s=0.5)

    return run
