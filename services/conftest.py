"""Both services of memory together, around a vector index and a folder of the test's own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from shared.llm import Models
    from shared.testing.memory import Memory
    from shared.testing.postgres import RoleUrls
    from shared.text.morphology import Morphology
    from shared.vectors import DenseSpace, VectorIndex

Opening = Callable[..., Awaitable["Memory"]]


@dataclass(frozen=True)
class PlainMorphology:
    """Stands for the analyser where a test is not about Korean: loading it takes a second and half a gigabyte."""

    version: str = "none"

    def morphemes(self, _: str) -> list[Any]:
        return []


@pytest.fixture
async def open_with(database_urls: RoleUrls, tmp_path: Path) -> AsyncGenerator[Opening]:
    """Opens memory with engines of the test's choice: `await open_with(models=…, dense=…, wrap=…)`."""
    # Not at the top: other services' tests find this file too and need none of it.
    from api.main import Engines as ApiEngines
    from api.main import build_app as build_api
    from ingest.handlers import FACTS
    from ingest.main import Engines as IngestEngines
    from ingest.main import build_app as build_ingest
    from shared.settings import StorageSettings
    from shared.storage import open_folder
    from shared.streams import StreamHub
    from shared.testing.memory import Parts, memory_environment, open_memory
    from shared.vectors.edge import EdgeIndex

    async with AsyncExitStack() as stack:

        async def opened(
            *,
            wrap: Callable[[VectorIndex], VectorIndex] = lambda index: index,
            models: Models | None = None,
            dense: DenseSpace | None = None,
            morphology: Morphology | None = None,
            environment: dict[str, str] | None = None,
        ) -> Memory:
            env = {**memory_environment(database_urls, tmp_path), **(environment or {})}
            vectors = wrap(EdgeIndex(tmp_path / "vectors", dense))
            parts = Parts(StreamHub(), vectors, open_folder(StorageSettings.from_env(env)))
            api = ApiEngines(hub=parts.hub, vectors=vectors)
            ingest = IngestEngines(
                hub=parts.hub,
                vectors=vectors,
                storage=parts.storage,
                models=models,
                morphology=morphology or PlainMorphology(),
            )
            return await stack.enter_async_context(
                open_memory(
                    database_urls,
                    parts,
                    lambda: build_api(env, api),
                    lambda: build_ingest(env, ingest),
                    frozenset(FACTS),
                )
            )

        yield opened


@pytest.fixture
async def memory(open_with: Opening) -> Memory:
    """Memory without any model."""
    return await open_with()
