"""Search as a person: where it looks, what it leaves out, and what it does without the embedding model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from shared.db import Database, Principal
from shared.ids import new_id
from shared.retrieval import Retriever, SearchFilter
from shared.retrieval.queries import QueryEmbedder
from shared.testing.memories import Memories
from shared.text.sparse import SparseVector
from shared.vectors import VectorFilter, VectorHit, VectorPoint
from shared.vectors.qdrant import QdrantIndex

SPRING = datetime(2026, 3, 14, 12, tzinfo=UTC)


class Embedder:
    """One vector a text; fails, or waits, when told to."""

    model, dimensions = "m", 2

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails: list[Exception] = []
        self.gate: asyncio.Event | None = None

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked.extend(texts)
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise self.fails.pop(0)
        return [[float(len(text)), 0.5] for text in texts]


async def test_a_question_is_embedded_once() -> None:
    embedder = Embedder()
    queries = QueryEmbedder(embedder)
    assert await queries.embed("호수") == [2.0, 0.5]
    assert await queries.embed("호수") == [2.0, 0.5]
    assert await queries.embed("lake") == [4.0, 0.5]
    assert embedder.asked == ["호수", "lake"]


async def test_a_failure_is_not_remembered() -> None:
    embedder = Embedder()
    embedder.fails = [RuntimeError("away"), ValueError("odd")]
    queries = QueryEmbedder(embedder)
    assert [await queries.embed("a") for _ in range(3)] == [None, None, [1.0, 0.5]]


async def test_an_embedder_that_answers_with_too_much_is_not_believed() -> None:
    class Generous(Embedder):
        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            return [[1.0], [2.0]]

    assert await QueryEmbedder(Generous()).embed("a") is None


async def test_only_the_latest_questions_are_kept() -> None:
    embedder = Embedder()
    queries = QueryEmbedder(embedder)
    for number in range(256):
        await queries.embed(f"q{number}")
    await queries.embed("q0")
    await queries.embed("one more")
    embedder.asked.clear()
    await queries.embed("q0")
    assert embedder.asked == []
    await queries.embed("q1")
    assert embedder.asked == ["q1"]


async def test_a_search_that_is_given_up_stops_asking() -> None:
    embedder = Embedder()
    embedder.gate = asyncio.Event()
    asking = asyncio.create_task(QueryEmbedder(embedder).embed("a"))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@dataclass
class Library:
    """Two people with a space each, and a third space they share."""

    database: Database
    index: QdrantIndex
    memories: Memories
    people: dict[str, Principal] = field(default_factory=dict)
    spaces: dict[str, UUID] = field(default_factory=dict)

    def retriever(self, **with_: Any) -> Retriever:
        return Retriever(self.database, self.index, **with_)

    async def remember(self, space: str, text: str, who: str = "ann", **fields: Any) -> str:
        author = self.people[who].user_id
        return await self.memories.remember(str(self.spaces[space]), str(author), text, **fields)

    async def found(self, who: str, query: str, wanted: SearchFilter | None = None, **fields: Any) -> list[str]:
        passages = await self.retriever().search(self.people[who], query, wanted or SearchFilter(), **fields)
        return [str(passage.entry_id) for passage in passages]


@pytest.fixture
async def library(database_url: str, api_database_url: str) -> AsyncGenerator[Library]:
    async with _opened(database_url, api_database_url) as made:
        yield made


@asynccontextmanager
async def _opened(owner_url: str, api_url: str) -> AsyncGenerator[Library]:
    owner, database = Database(owner_url, max_size=1), Database(api_url, max_size=4)
    index = QdrantIndex(":memory:")
    made = Library(database, index, Memories(owner_url, index))
    async with owner.service_tx() as connection:
        for name in ("ann", "ben"):
            made.people[name] = Principal(new_id(), f"{name}@example.com")
            made.spaces[name] = await _space(connection, name, made.people[name])
        made.spaces["both"] = await _space(connection, "both", *made.people.values())
    yield made
    await index.close()
    await database.close()
    await owner.close()


async def _space(connection: Any, name: str, *members: Principal) -> UUID:
    space_id = new_id()
    await connection.execute(
        "INSERT INTO maru.spaces (id, name, kind, owner_id) VALUES ($1, $2, 'shared', $3)",
        space_id,
        name,
        members[0].user_id,
    )
    for member in members:
        await connection.execute(
            "INSERT INTO maru.space_members (space_id, user_id, role) VALUES ($1, $2, 'owner') ON CONFLICT DO NOTHING",
            space_id,
            member.user_id,
        )
    return space_id


async def test_people_find_what_is_theirs_and_what_is_shared(library: Library) -> None:
    mine, shared = await library.remember("ann", "a heron by the lake"), await library.remember("both", "a lake house")
    hers = await library.remember("ben", "the lake froze", "ben")
    assert set(await library.found("ann", "lake")) == {mine, shared}
    assert set(await library.found("ben", "lake")) == {hers, shared}


async def test_asking_for_a_space_of_others_finds_nothing_and_says_nothing(library: Library) -> None:
    await library.remember("ben", "the lake froze", "ben")
    mine = await library.remember("ann", "a heron by the lake")
    others = SearchFilter(space_ids=(library.spaces["ben"], uuid4()))
    found = await library.retriever().find(library.people["ann"], "lake", others)
    assert (found.passages, found.space_ids, found.degraded) == ((), frozenset(), False)
    both = SearchFilter(space_ids=(library.spaces["ben"], library.spaces["ann"]))
    assert await library.found("ann", "lake", both) == [mine]


async def test_somebody_without_a_space_finds_nothing(library: Library) -> None:
    await library.remember("both", "a lake house")
    nobody = Principal(new_id(), "nobody@example.com")
    assert await library.retriever().search(nobody, "lake") == []


async def test_a_passage_says_where_it_stands_in_code_points(library: Library) -> None:
    body = "😀 첫 문단이다.\n\n" + "호수에 갔다. " * 90 + "\n\n" + "Herons stood there. " * 60
    entry = await library.remember("ann", body, title="호수", occurred_at=SPRING)
    passages = await library.retriever().search(library.people["ann"], "호수 herons")
    assert len(passages) >= 2
    for passage in passages:
        assert (str(passage.entry_id), passage.version, passage.title) == (entry, 1, "호수")
        assert passage.text == body[passage.start : passage.end]
        assert passage.occurred_at == SPRING
        assert passage.space_id == library.spaces["ann"]
    assert [passage.score for passage in passages] == sorted((one.score for one in passages), reverse=True)


async def test_few_of_each_entry_make_room_for_others(library: Library) -> None:
    long = await library.remember(
        "ann", "\n\n".join(f"Lake day {n}. " + "We rowed on the lake. " * 30 for n in range(8))
    )
    short = await library.remember("ann", "One lake.")
    assert set(await library.found("ann", "lake", limit=2, per_entry=1)) == {long, short}
    many = await library.found("ann", "lake", limit=20)
    assert (many.count(long), many.count(short)) == (8, 1)
    assert (await library.found("ann", "lake", limit=20, per_entry=3)).count(long) == 3


async def test_what_was_deleted_a_moment_ago_is_left_out_and_the_rest_moves_up(library: Library) -> None:
    kept = await library.remember("ann", "a lake")
    for number in range(3):
        library.memories.forget(await library.remember("ann", f"lake lake lake {number}"))
    assert await library.found("ann", "lake", limit=2) == [kept]


NARROWING = [
    (SearchFilter(), True),
    (SearchFilter(kinds=("note",)), True),
    (SearchFilter(kinds=("photo", "audio")), False),
    (SearchFilter(topics=("lake",)), False),
    (SearchFilter(emotions=("joy",)), False),
    (SearchFilter(person_id=UUID(int=1)), False),
    (SearchFilter(since=SPRING), True),
    (SearchFilter(since=SPRING + timedelta(seconds=1)), False),
    (SearchFilter(until=SPRING), False),
    (SearchFilter(until=SPRING + timedelta(seconds=1)), True),
]


async def test_each_condition_narrows(library: Library) -> None:
    entry = await library.remember("ann", "a lake", occurred_at=SPRING)
    for wanted, matches in NARROWING:
        assert await library.found("ann", "lake", wanted) == ([entry] if matches else []), wanted


async def test_a_question_without_words_finds_nothing(library: Library) -> None:
    await library.remember("ann", "a lake")
    for query in ("", "   ", "the of and", "😀 !!", "x" * 5_000):
        assert await library.found("ann", query) == [], query


class Recording:
    """An index that finds nothing and remembers what it was asked."""

    collection, dense = "c", None

    def __init__(self, *hits: VectorHit) -> None:
        self.hits = list(hits)
        self.asked: list[tuple[SparseVector, list[float] | None, VectorFilter, int]] = []

    async def search(
        self, sparse: SparseVector, dense: list[float] | None, wanted: VectorFilter, limit: int
    ) -> list[VectorHit]:
        self.asked.append((sparse, dense, wanted, limit))
        return self.hits

    async def upsert(self, points: Sequence[VectorPoint]) -> None: ...


async def test_the_embedding_model_takes_part_and_its_absence_is_told(library: Library) -> None:
    embedder, index = Embedder(), Recording()
    embedder.fails = [RuntimeError("away")]
    retriever = Retriever(library.database, index, embedder=embedder)  # type: ignore[arg-type] # only search is asked
    ann = library.people["ann"]
    assert [(await retriever.find(ann, "lake")).degraded for _ in range(2)] == [True, False]
    assert [dense for _, dense, _, _ in index.asked] == [None, [4.0, 0.5]]
    assert not (await library.retriever().find(ann, "lake")).degraded


async def test_the_index_is_asked_within_the_persons_spaces_and_deep_enough(library: Library) -> None:
    index = Recording()
    retriever = Retriever(library.database, index)  # type: ignore[arg-type] # only search is asked
    for limit in (1, 80):
        await retriever.search(library.people["ann"], "lake", limit=limit)
    wanted = [(set(visible.space_ids), depth) for _, _, visible, depth in index.asked]
    spaces = {library.spaces["ann"], library.spaces["both"]}
    assert wanted == [(spaces, 100), (spaces, 160)]


async def test_a_hit_that_names_anothers_entry_shows_nothing(library: Library) -> None:
    """Even an index that returned another tenant's point could not show its text."""
    foreign = UUID(await library.remember("ben", "secret lake", "ben"))
    index = Recording(VectorHit(new_id(), foreign, 1, 0, 1.0), VectorHit(new_id(), uuid4(), 1, 0, 0.9))
    retriever = Retriever(library.database, index)  # type: ignore[arg-type] # only search is asked
    assert await retriever.search(library.people["ann"], "lake") == []
    assert len(await retriever.search(library.people["ben"], "lake")) == 1


async def test_a_point_without_its_row_shows_nothing(library: Library) -> None:
    entry = UUID(await library.remember("ann", "a lake"))
    for version, chunk, shown in ((1, 0, 1), (0, 0, 0), (2, 0, 0), (1, 1, 0)):
        index = Recording(VectorHit(new_id(), entry, version, chunk, 1.0))
        retriever = Retriever(library.database, index)  # type: ignore[arg-type] # only search is asked
        assert len(await retriever.search(library.people["ann"], "lake")) == shown
