"""Gateways on one machine and on a bucket, and what lies in their stores."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from shared.settings import StorageSettings
from shared.storage import ObjectStore, open_storage
from shared.testing.s3_peer import S3Peer, run_s3_peer


@pytest.fixture(scope="module")
def running_peer() -> Iterator[S3Peer]:
    with run_s3_peer() as peer:
        yield peer


@pytest.fixture(params=["folder", "bucket", "bucket without hashes"])
def gateway_environment(
    request: pytest.FixtureRequest, gateway_environment: dict[str, str], running_peer: S3Peer
) -> dict[str, str]:
    limits = {"MARU_MAX_DOCUMENT_MB": "2", "MARU_MAX_AUDIO_MB": "3", "MARU_SPACE_QUOTA_MB": "5"}
    if request.param == "folder":
        return gateway_environment | limits
    running_peer.forget()
    running_peer.keeps_checksums = request.param == "bucket"
    bucket = {"R2_ENDPOINT": running_peer.endpoint, "R2_BUCKET": running_peer.bucket}
    keys = {"R2_ACCESS_KEY": running_peer.access_key, "R2_SECRET_KEY": running_peer.secret_key}
    return gateway_environment | limits | bucket | keys


@pytest.fixture
async def storage(gateway_environment: dict[str, str]) -> AsyncGenerator[ObjectStore]:
    store = open_storage(StorageSettings.from_env(gateway_environment))
    yield store
    await store.close()


@pytest.fixture
async def outside(gateway: FastAPI, gateway_environment: dict[str, str]) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody with nothing but an address: over the wire to a bucket, else to the gateway itself."""
    transport = (
        None if "R2_ENDPOINT" in gateway_environment else httpx.ASGITransport(gateway, raise_app_exceptions=False)
    )
    async with httpx.AsyncClient(transport=transport) as client:
        yield client


@pytest.fixture
async def rows(database_url: str) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def stored(gateway_environment: dict[str, str], running_peer: S3Peer) -> Callable[[], list[str]]:
    """Every object and every upload in parts there is at this moment, wherever it lies."""

    def everything() -> list[str]:
        if "R2_ENDPOINT" in gateway_environment:
            return [*running_peer.objects, *running_peer.uploads.open]
        folder = Path(gateway_environment["MARU_HOME"]) / "files"
        return [os.fspath(path) for path in folder.rglob("*") if path.is_file()]

    return everything
