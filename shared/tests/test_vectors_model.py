"""Any row of calls leaves an index holding what a plain dictionary would hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from shared.text.sparse import SparseVector
from shared.vectors import PayloadChange, PointPayload, VectorFilter, VectorIndex, VectorPoint, best_per_entry, point_id
from shared.vectors.edge import EdgeIndex
from shared.vectors.port import DenseSpace, VectorHit, collection_name
from shared.vectors.qdrant import QdrantIndex
from shared.vectors.wire import encoded, plain, typed

T = TypeVar("T")
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
SPACES = [UUID(int=1), UUID(int=2)]
ENTRIES = [UUID(int=10 + n) for n in range(4)]
PEOPLE = [UUID(int=100), UUID(int=101)]
TERMS = [7, 8, 9]

entries = st.sampled_from(ENTRIES)
labels = st.lists(st.sampled_from(["lake", "비", "joy"]), max_size=2, unique=True)
moments = st.integers(-2, 2).map(lambda days: NOON + timedelta(days=days))
people = st.none() | st.sampled_from(PEOPLE)
filters = st.builds(
    VectorFilter,
    st.lists(st.sampled_from(SPACES), min_size=1, max_size=2, unique=True),
    kinds=st.lists(st.sampled_from(["note", "photo"]), max_size=2, unique=True),
    topics=labels,
    emotions=labels,
    person_id=people,
    since=st.none() | moments,
    until=st.none() | moments,
)


def space_of(entry: UUID) -> UUID:
    return SPACES[entry.int % 2]


@st.composite
def written(draw: st.DrawFn) -> tuple[UUID, int, list[VectorPoint]]:
    """An entry's version with its points; an entry stays in its space."""
    entry, version = draw(entries), draw(st.integers(1, 4))
    kind, topics, emotions = draw(st.sampled_from(["note", "photo"])), draw(labels), draw(labels)
    member, at = draw(people), draw(moments)
    points = []
    for chunk in range(draw(st.integers(0, 3))):
        words = sorted(draw(st.sets(st.sampled_from(TERMS), min_size=1)))
        payload = PointPayload(entry, version, chunk, space_of(entry), UUID(int=5), member, kind, topics, emotions, at)
        sparse = SparseVector(words, [1.0 + word / 10 for word in words])
        points.append(VectorPoint(point_id(entry, version, chunk), sparse, None, payload))
    return entry, version, points


def visible(point: VectorPoint, wanted: VectorFilter) -> bool:
    has = point.payload
    return (
        has.space_id in wanted.space_ids
        and (not wanted.kinds or has.kind in wanted.kinds)
        and (not wanted.topics or bool(set(has.topics) & set(wanted.topics)))
        and (not wanted.emotions or bool(set(has.emotions) & set(wanted.emotions)))
        and (wanted.person_id is None or has.member_id == wanted.person_id)
        and (wanted.since is None or has.occurred_at >= wanted.since)
        and (wanted.until is None or has.occurred_at < wanted.until)
    )


class IndexAgainstDictionary(RuleBasedStateMachine):
    """The same calls on an index and on a dictionary."""

    opened: Callable[[Path], VectorIndex]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = TemporaryDirectory(prefix="vec")
        self.index = type(self).opened(Path(self.folder.name))
        self.points: dict[UUID, VectorPoint] = {}

    def teardown(self) -> None:
        self.run(self.index.close())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(call)

    def of(self, entry: UUID) -> list[UUID]:
        return sorted(identity for identity, point in self.points.items() if point.payload.entry_id == entry)

    @rule(given=written())
    def upsert(self, given: tuple[UUID, int, list[VectorPoint]]) -> None:
        self.run(self.index.upsert(given[2]))
        self.points |= {point.id: point for point in given[2]}

    @rule(given=written(), twice=st.booleans())
    def replace_entry(self, given: tuple[UUID, int, list[VectorPoint]], twice: bool) -> None:
        entry, version, points = given
        newest = max((self.points[identity].payload.version for identity in self.of(entry)), default=0)
        for _ in range(1 + twice):
            assert self.run(self.index.replace_entry(entry, version, points)) is (newest <= version)
        if newest <= version:
            for identity in self.of(entry):
                del self.points[identity]
            self.points |= {point.id: point for point in points}

    @rule(entry=entries, topics=st.none() | labels, member=people, at=st.none() | moments)
    def set_payload(self, entry: UUID, topics: list[str] | None, member: UUID | None, at: datetime | None) -> None:
        fields: dict[str, Any] = {"member_id": member}
        fields |= {} if topics is None else {"topics": topics}
        fields |= {} if at is None else {"occurred_at": at}
        self.run(self.index.set_payload(entry, PayloadChange(**fields)))
        for identity in self.of(entry):
            point = self.points[identity]
            self.points[identity] = replace(point, payload=replace(point.payload, **fields))

    @rule(entry=entries)
    def change_nothing(self, entry: UUID) -> None:
        self.run(self.index.set_payload(entry, PayloadChange()))

    @rule(entry=entries)
    def delete_entry(self, entry: UUID) -> None:
        gone = self.of(entry)
        assert self.run(self.index.delete_entry(entry)) == len(gone)
        for identity in gone:
            del self.points[identity]

    @rule(space=st.sampled_from(SPACES))
    def delete_space(self, space: UUID) -> None:
        gone = [identity for identity, point in self.points.items() if point.payload.space_id == space]
        assert self.run(self.index.delete_space(space)) == len(gone)
        for identity in gone:
            del self.points[identity]

    @rule(wanted=filters, words=st.sets(st.sampled_from(TERMS), min_size=1))
    def search(self, wanted: VectorFilter, words: set[int]) -> None:
        query = SparseVector(sorted(words), [1.0] * len(words))
        hits = self.run(self.index.search(query, None, wanted, 50))
        expected = {
            point.id for point in self.points.values() if visible(point, wanted) and words & set(point.sparse.indices)
        }
        assert {hit.id for hit in hits} == expected
        assert len(hits) == len(expected)
        assert all(hit.id == point_id(hit.entry_id, hit.version, hit.chunk) for hit in hits)
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert self.run(self.index.search(query, None, wanted, 1)) == hits[:1]

    @rule(wanted=filters)
    def count(self, wanted: VectorFilter) -> None:
        assert self.run(self.index.count(wanted)) == sum(visible(point, wanted) for point in self.points.values())

    @invariant()
    def every_entry_has_its_points(self) -> None:
        for entry in ENTRIES:
            assert self.run(self.index.entry_points(entry)) == self.of(entry)


@pytest.mark.parametrize(
    "opened",
    [EdgeIndex, lambda _: QdrantIndex(":memory:")],
    ids=["a folder", "a server's client in memory"],
)
def test_an_index_holds_what_a_dictionary_would(opened: Callable[[Path], VectorIndex]) -> None:
    machine = type("Machine", (IndexAgainstDictionary,), {"opened": staticmethod(opened)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=4, stateful_step_count=18, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_what_is_sent_over_the_wire_comes_back_as_it_was() -> None:
    payload = PointPayload(ENTRIES[0], 2, 1, SPACES[0], UUID(int=5), None, "note", ["호수", "\u2028"], ["joy"], NOON)
    points = [
        VectorPoint(point_id(ENTRIES[0], 2, 1), SparseVector([0, 2**32 - 1], [0.1, 2.5]), [0.25, -1.0], payload),
        VectorPoint(UUID(int=3), SparseVector([], []), None, replace(payload, member_id=PEOPLE[0])),
    ]
    sent = encoded({"points": plain(list[VectorPoint], points)})
    assert sent.count(b"\n") == 1
    import json

    assert typed(list[VectorPoint], json.loads(sent)["points"]) == points


@pytest.mark.parametrize(
    "change",
    [
        PayloadChange(),
        PayloadChange(member_id=None),
        PayloadChange(member_id=PEOPLE[0], topics=[], emotions=["joy"]),
        PayloadChange(kind="photo", occurred_at=NOON),
        PayloadChange(occurred_at=NOON.astimezone()),
    ],
)
def test_what_is_unchanged_and_what_is_emptied_stay_apart_on_the_wire(change: PayloadChange) -> None:
    assert typed(PayloadChange, plain(PayloadChange, change)) == change


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (VectorFilter, {"space_ids": []}),
        (VectorFilter, {"space_ids": ["nobody"]}),
        (VectorFilter, {}),
        (SparseVector, {"indices": ["x"], "values": [1]}),
        (list[VectorPoint], [{"id": str(UUID(int=1))}]),
        (PayloadChange, {"occurred_at": "yesterday"}),
    ],
)
def test_what_does_not_fit_is_refused_on_the_wire(kind: Any, value: Any) -> None:
    with pytest.raises(ValueError, match="validation error"):
        typed(kind, value)


def test_ids_of_points_tell_entry_version_and_chunk_apart() -> None:
    ids = {point_id(entry, version, chunk) for entry in ENTRIES for version in (1, 11, 111) for chunk in (0, 1, 11)}
    assert len(ids) == len(ENTRIES) * 9
    assert point_id(ENTRIES[0], 1, 0) == point_id(ENTRIES[0], 1, 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, DenseSpace("m", 4)),
        (DenseSpace("m", 4), DenseSpace("m", 8)),
        (DenseSpace("m", 4), DenseSpace("n", 4)),
        (DenseSpace("text-embedding-3-small", 1536), DenseSpace("text-embedding-3-large", 1536)),
    ],
)
def test_vectors_that_cannot_be_compared_lie_in_collections_of_their_own(
    one: DenseSpace | None, other: DenseSpace | None
) -> None:
    assert collection_name(one) != collection_name(other)
    assert collection_name(one) == collection_name(one)


@pytest.mark.parametrize("model", ["../../etc", "a/b\\c", "Model Name:7b", "모델", ".", "", "x" * 30])
def test_a_collections_name_is_a_plain_file_name(model: str) -> None:
    name = collection_name(DenseSpace(model, 4))
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert ".." not in name
    assert name.endswith("-4")


def test_of_each_entry_the_first_hit_is_kept_in_order() -> None:
    def hit(entry: int, chunk: int, score: float) -> VectorHit:
        return VectorHit(UUID(int=entry * 100 + chunk), UUID(int=entry), 1, chunk, score)

    hits = [hit(1, 3, 0.9), hit(2, 0, 0.8), hit(1, 1, 0.7), hit(3, 0, 0.6)]
    assert best_per_entry(hits, 10) == [hits[0], hits[1], hits[3]]
    assert best_per_entry(hits, 2) == hits[:2]
    assert best_per_entry([], 5) == best_per_entry(hits, 0) == []
