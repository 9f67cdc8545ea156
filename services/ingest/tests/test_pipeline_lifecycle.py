"""Whatever people do in whichever order, and however messages are delivered, the end is the same: search holds what the entries say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from api.main import Engines as ApiEngines
from api.main import build_app as build_api
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest.handlers import FACTS
from ingest.main import Engines as IngestEngines
from ingest.main import build_app as build_ingest
from shared.settings import StorageSettings
from shared.storage import open_folder
from shared.streams import StreamHub
from shared.testing.memory import Memory, Parts, memory_environment, open_memory
from shared.testing.postgres import SharedPostgres
from shared.text.tokenise import terms
from shared.vectors.edge import EdgeIndex

WORDS = ("amber", "birch", "cobalt", "dahlia", "ember", "fjord")


class _NoMorphemes:
    version = "none"

    def morphemes(self, _: str) -> list[Any]:
        return []


_saves = st.tuples(st.just("save"), st.sampled_from(WORDS), st.just(0))
_edits = st.tuples(st.just("edit"), st.sampled_from(WORDS), st.integers(0, 3))
_titles = st.tuples(st.just("title"), st.sampled_from(WORDS), st.integers(0, 3))
_deletions = st.tuples(st.just("delete"), st.just(""), st.integers(0, 3))
_deliveries = st.tuples(st.sampled_from(["deliver", "deliver again"]), st.just(""), st.integers(0, 7))
_steps = st.lists(_saves | _edits | _titles | _deletions | _deliveries | _deliveries, min_size=3, max_size=14)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(steps=_steps)
def test_search_ends_up_holding_what_the_entries_say(
    shared_postgres: SharedPostgres, tmp_path_factory: Any, steps: list[tuple[str, str, int]]
) -> None:
    home = tmp_path_factory.mktemp("life")
    with shared_postgres.database() as urls:
        asyncio.run(_live(urls, home, steps))


async def _live(urls: Any, home: Path, steps: list[tuple[str, str, int]]) -> None:
    env = memory_environment(urls, home)
    parts = Parts(StreamHub(), EdgeIndex(home / "vectors"), open_folder(StorageSettings.from_env(env)))
    api = ApiEngines(hub=parts.hub, vectors=parts.vectors)
    ingest = IngestEngines(hub=parts.hub, vectors=parts.vectors, storage=parts.storage, morphology=_NoMorphemes())
    async with open_memory(
        urls, parts, lambda: build_api(env, api), lambda: build_ingest(env, ingest), frozenset(FACTS)
    ) as memory:
        who = await memory.person()
        said = await _act(memory, who, steps)
        await memory.settle()
        await _agree(memory, who, said)


async def _act(memory: Memory, who: Any, steps: list[tuple[str, str, int]]) -> dict[str, tuple[str, str]]:
    """Do what the steps say; the answer is body and title of each entry that is left."""
    said: dict[str, tuple[str, str]] = {}
    for action, word, number in steps:
        chosen = sorted(said)[number % len(said)] if said else None
        waiting = await memory.deliverer.waiting()
        if action == "save":
            saved = await memory.note(who, f"about {word}")
            said[saved["id"]] = (f"about {word}", "")
        elif action.startswith("deliver") and waiting:
            message = waiting[number % len(waiting)]
            assert (await memory.deliverer.deliver(message)).is_success
            if action == "deliver":
                await memory.deliverer.settle(message)
        elif chosen and action == "edit":
            await who.http.patch(f"/api/v1/entries/{chosen}", json={"body": f"now {word}"})
            said[chosen] = (f"now {word}", said[chosen][1])
        elif chosen and action == "title":
            await who.http.patch(f"/api/v1/entries/{chosen}", json={"title": word})
            said[chosen] = (said[chosen][0], word)
        elif chosen and action == "delete":
            await who.http.delete(f"/api/v1/entries/{chosen}")
            del said[chosen]
    return said


async def _agree(memory: Memory, who: Any, said: dict[str, tuple[str, str]]) -> None:
    for word in WORDS:
        wanted = set(terms(word, morphology=None))
        expected = {
            entry_id
            for entry_id, (body, title) in said.items()
            if wanted & set(terms(f"{body} {title}", morphology=None))
        }
        assert {hit["entry_id"] for hit in await memory.hits(who, word, limit=50)} == expected, word
    points = await memory.rows(
        "SELECT e.id, count(c.*) AS n FROM maru.entries e JOIN maru.chunks c ON c.entry_id = e.id GROUP BY e.id"
    )
    assert {str(row["id"]) for row in points} == set(said)
    for row in points:
        assert len(await memory.vectors.entry_points(row["id"])) == row["n"] == 1
    for entry_id, (body, title) in said.items():
        entry = await memory.entry(who, entry_id)
        assert (entry["status"], entry["body"], entry["title"] or "") == ("ready", body, title)
    running = await memory.rows("SELECT 1 FROM maru.streams WHERE kind = 'entry' AND status = 'running'")
    assert running == []
