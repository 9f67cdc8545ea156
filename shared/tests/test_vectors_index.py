"""What every vector index promises, asked of each: the engine in a folder, the same behind a socket, and a server."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

import pytest
from shared.testing.qdrant_peer import running_qdrant
from shared.text.sparse import document_vector, query_vector
from shared.text.tokenise import terms
from shared.vectors import (
    DenseSpace,
    PayloadChange,
    PointPayload,
    VectorFilter,
    VectorIndex,
    VectorPoint,
    point_id,
)
from shared.vectors.edge import EdgeIndex
from shared.vectors.errors import DenseVectorMisfit
from shared.vectors.qdrant import QdrantIndex
from shared.vectors.remote import RemoteIndex
from shared.vectors.serve import VectorServer

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
DENSE = DenseSpace("test-embedding", 4)
HOME, OFFICE = uuid4(), uuid4()


@asynccontextmanager
async def _edge(dense: DenseSpace | None, folder: Path) -> AsyncIterator[VectorIndex]:
    index = EdgeIndex(folder, dense)
    yield index
    await index.close()


@asynccontextmanager
async def _remote(dense: DenseSpace | None, folder: Path) -> AsyncIterator[VectorIndex]:
    with TemporaryDirectory(prefix="vec") as short:
        owner = EdgeIndex(folder, dense)
        server = VectorServer(owner, Path(short) / "s")
        await server.start()
        index = RemoteIndex(Path(short) / "s", dense)
        yield index
        await index.close()
        await server.close()
        await owner.close()


@asynccontextmanager
async def _qdrant(dense: DenseSpace | None, folder: Path) -> AsyncIterator[VectorIndex]:
    index = QdrantIndex(":memory:", dense=dense)
    yield index
    await index.close()


@asynccontextmanager
async def _server(dense: DenseSpace | None, folder: Path) -> AsyncIterator[VectorIndex]:
    with running_qdrant() as peer:
        index = QdrantIndex(peer.url, dense=dense)
        yield index
        await index.close()


ADAPTERS = {"edge": _edge, "remote": _remote, "qdrant": _qdrant, "qdrant over HTTP": _server}


@pytest.fixture(params=ADAPTERS)
async def lexical(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VectorIndex]:
    """An index without an embedding model."""
    async with ADAPTERS[request.param](None, tmp_path) as index:
        yield index


@pytest.fixture(params=ADAPTERS)
async def hybrid(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VectorIndex]:
    """An index with a dense space of four dimensions."""
    async with ADAPTERS[request.param](DENSE, tmp_path) as index:
        yield index


def point(
    text: str,
    *,
    entry: UUID | None = None,
    version: int = 1,
    chunk: int = 0,
    space: UUID = HOME,
    person: UUID | None = None,
    kind: str = "note",
    topics: Sequence[str] = (),
    emotions: Sequence[str] = (),
    at: datetime = NOON,
    dense: list[float] | None = None,
) -> VectorPoint:
    entry = entry or uuid4()
    payload = PointPayload(entry, version, chunk, space, uuid4(), person, kind, list(topics), list(emotions), at)
    sparse = document_vector(terms(text, morphology=None), 20)
    return VectorPoint(point_id(entry, version, chunk), sparse, dense, payload)


async def found(index: VectorIndex, question: str, wanted: VectorFilter | None = None, limit: int = 10) -> list[UUID]:
    query = query_vector(terms(question, morphology=None))
    return [hit.entry_id for hit in await index.search(query, None, wanted or VectorFilter([HOME]), limit)]


async def test_a_chunk_is_found_by_a_word_of_its_text(lexical: VectorIndex) -> None:
    picnic, tax = point("We had a picnic by the river", chunk=3, version=2), point("The tax form is due")
    await lexical.upsert([picnic, tax])
    [hit] = await lexical.search(query_vector(terms("picnics", morphology=None)), None, VectorFilter([HOME]), 5)
    assert (hit.id, hit.entry_id, hit.version, hit.chunk) == (picnic.id, picnic.payload.entry_id, 2, 3)
    assert hit.score > 0


async def test_korean_is_found_through_its_particles(lexical: VectorIndex) -> None:
    market, school = point("엄마와 전통시장에서 귤을 샀다"), point("아이 학교에서 전화가 왔다")
    await lexical.upsert([market, school])
    assert await found(lexical, "시장에 갔던 날") == [market.payload.entry_id]


async def test_the_better_match_comes_first_and_the_limit_holds(lexical: VectorIndex) -> None:
    best = point("river picnic with sandwiches")
    await lexical.upsert([best] + [point(f"river walk number {n}") for n in range(20)])
    answer = await found(lexical, "picnic at the river", limit=7)
    assert answer[0] == best.payload.entry_id
    assert len(answer) == 7


async def test_the_same_question_has_the_same_answer(lexical: VectorIndex) -> None:
    await lexical.upsert([point("the same words") for _ in range(30)])
    assert await found(lexical, "same words") == await found(lexical, "same words")


async def test_an_empty_question_finds_nothing(lexical: VectorIndex) -> None:
    await lexical.upsert([point("anything")])
    assert await found(lexical, "the and of ???") == []
    assert await found(lexical, "anything", limit=0) == []


async def test_storing_twice_is_storing_once(lexical: VectorIndex) -> None:
    once = point("river")
    await lexical.upsert([once])
    await lexical.upsert([once])
    await lexical.upsert([])
    assert await lexical.count(VectorFilter([HOME])) == 1
    assert await found(lexical, "river") == [once.payload.entry_id]


async def test_replacing_an_entry_leaves_only_its_new_points(lexical: VectorIndex) -> None:
    entry, other = uuid4(), point("river")
    old = [point("river bank", entry=entry, chunk=n) for n in range(3)]
    await lexical.upsert([*old, other])
    new = [point("mountain top", entry=entry, version=2)]
    assert await lexical.replace_entry(entry, 2, new)
    assert await lexical.replace_entry(entry, 2, new)
    assert await lexical.entry_points(entry) == [new[0].id]
    assert await found(lexical, "river") == [other.payload.entry_id]


async def test_a_late_older_version_changes_nothing(lexical: VectorIndex) -> None:
    entry = uuid4()
    await lexical.replace_entry(entry, 2, [point("new words", entry=entry, version=2)])
    assert not await lexical.replace_entry(entry, 1, [point("old words", entry=entry, version=1)])
    assert await found(lexical, "old") == []
    assert await found(lexical, "new") == [entry]


async def test_an_entry_without_text_loses_its_points(lexical: VectorIndex) -> None:
    entry = uuid4()
    await lexical.replace_entry(entry, 1, [point("words", entry=entry)])
    assert await lexical.replace_entry(entry, 2, [])
    assert await lexical.entry_points(entry) == []


async def test_deleting_an_entry_counts_what_is_gone(lexical: VectorIndex) -> None:
    entry, other = uuid4(), point("river")
    await lexical.upsert([*(point("river", entry=entry, chunk=n) for n in range(3)), other])
    assert await lexical.delete_entry(entry) == 3
    assert await lexical.delete_entry(entry) == 0
    assert await found(lexical, "river") == [other.payload.entry_id]


async def test_deleting_a_space_touches_no_other(lexical: VectorIndex) -> None:
    kept = point("river", space=OFFICE)
    await lexical.upsert([point("river"), point("river"), kept])
    assert await lexical.delete_space(HOME) == 2
    assert await lexical.delete_space(HOME) == 0
    assert await found(lexical, "river", VectorFilter([HOME, OFFICE])) == [kept.payload.entry_id]


async def test_an_entry_with_more_points_than_a_page_is_listed_whole(lexical: VectorIndex) -> None:
    entry = uuid4()
    await lexical.upsert([point(f"word{n}", entry=entry, chunk=n) for n in range(1_050)])
    points = await lexical.entry_points(entry)
    assert points == sorted(point_id(entry, 1, n) for n in range(1_050))


@pytest.mark.parametrize(
    ("right", "wrong", "condition"),
    [
        ({"kind": "photo"}, {"kind": "note"}, {"kinds": ["photo", "audio"]}),
        ({"topics": ["garden", "spring"]}, {"topics": ["work"]}, {"topics": ["spring", "sea"]}),
        ({"emotions": ["joy"]}, {"emotions": ["worry"]}, {"emotions": ["joy"]}),
        ({"person": UUID(int=7)}, {"person": UUID(int=8)}, {"person_id": UUID(int=7)}),
        ({"person": UUID(int=7)}, {"person": None}, {"person_id": UUID(int=7)}),
        ({"at": NOON}, {"at": NOON - timedelta(seconds=1)}, {"since": NOON}),
        ({"at": NOON - timedelta(seconds=1)}, {"at": NOON}, {"until": NOON}),
        ({"space": HOME}, {"space": OFFICE}, {}),
    ],
)
async def test_every_filter_lets_through_only_what_it_says(
    lexical: VectorIndex, right: dict, wrong: dict, condition: dict
) -> None:
    seen, hidden = point("river", **right), point("river", **wrong)
    await lexical.upsert([seen, hidden])
    wanted = VectorFilter([HOME], **condition)
    assert await found(lexical, "river", wanted) == [seen.payload.entry_id]
    assert await lexical.count(wanted) == 1


async def test_conditions_hold_together(lexical: VectorIndex) -> None:
    both = point("river", kind="photo", topics=["spring"])
    await lexical.upsert([both, point("river", kind="photo"), point("river", topics=["spring"])])
    assert await found(lexical, "river", VectorFilter([HOME], kinds=["photo"], topics=["spring"])) == [
        both.payload.entry_id
    ]


async def test_a_changed_payload_is_what_filters_see(lexical: VectorIndex) -> None:
    entry, person = uuid4(), uuid4()
    await lexical.upsert([point("river", entry=entry, chunk=n, topics=["a"], emotions=["joy"]) for n in range(2)])
    await lexical.set_payload(entry, PayloadChange(topics=["b"], member_id=person, occurred_at=NOON + timedelta(1)))
    await lexical.set_payload(uuid4(), PayloadChange(topics=["b"]))
    await lexical.set_payload(entry, PayloadChange())
    kept = VectorFilter([HOME], topics=["b"], emotions=["joy"], person_id=person, since=NOON + timedelta(1))
    assert await lexical.count(kept) == 2
    assert await lexical.count(VectorFilter([HOME], topics=["a"])) == 0
    await lexical.set_payload(entry, PayloadChange(member_id=None))
    assert await lexical.count(VectorFilter([HOME], person_id=person)) == 0
    assert await found(lexical, "river") == [entry, entry]


@pytest.mark.parametrize(
    "change",
    [
        PayloadChange(),
        PayloadChange(topics=["river"]),
        PayloadChange(emotions=["joy"]),
        PayloadChange(kind="note"),
        PayloadChange(occurred_at=NOON),
    ],
)
async def test_what_a_change_does_not_name_stays_as_it_was(lexical: VectorIndex, change: PayloadChange) -> None:
    person = uuid4()
    stored = point("The river", person=person, topics=["river"], emotions=["joy"], at=NOON)
    await lexical.upsert([stored])
    await lexical.set_payload(stored.payload.entry_id, change)
    whole = VectorFilter(
        [HOME],
        kinds=["note"],
        topics=["river"],
        emotions=["joy"],
        person_id=person,
        since=NOON,
        until=NOON + timedelta(seconds=1),
    )
    assert await lexical.count(whole) == 1


def test_a_filter_without_a_space_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="every tenant"):
        VectorFilter([])


async def test_other_tenants_never_appear_whatever_is_asked(lexical: VectorIndex) -> None:
    rng = random.Random(3)
    words = ["강", "바다", "산책", "회의", "river", "sea", "walk", "meeting", "joy", "tax"]
    spaces = [uuid4() for _ in range(5)]
    points = [point(" ".join(rng.choices(words, k=6)), space=rng.choice(spaces)) for _ in range(200)]
    await lexical.upsert(points)
    owner = {p.payload.entry_id: p.payload.space_id for p in points}
    for space in spaces:
        for _ in range(10):
            answer = await found(lexical, " ".join(rng.choices(words, k=3)), VectorFilter([space]), limit=200)
            assert {owner[entry] for entry in answer} <= {space}


async def test_another_tenants_text_does_not_shift_what_is_rare(lexical: VectorIndex) -> None:
    """Here "river" is rare and "meeting" common; in the other space it is the other way round, a hundredfold."""
    rare = point("river")
    await lexical.upsert([rare, *(point("meeting") for _ in range(10))])
    query = query_vector(terms("river meeting", morphology=None))
    before = [(h.entry_id, h.score) for h in await lexical.search(query, None, VectorFilter([HOME]), 20)]
    await lexical.upsert([point("river", space=OFFICE) for _ in range(1_000)])
    after = [(h.entry_id, h.score) for h in await lexical.search(query, None, VectorFilter([HOME]), 20)]
    assert before[0][0] == after[0][0] == rare.payload.entry_id
    assert [entry for entry, _ in after] == [entry for entry, _ in before]
    assert [score for _, score in after] == pytest.approx([score for _, score in before])


async def test_a_filter_does_not_change_what_is_rare_in_the_space(lexical: VectorIndex) -> None:
    await lexical.upsert([point("river", kind="photo"), *(point("river") for _ in range(9)), point("sea")])
    query = query_vector(terms("river", morphology=None))
    everything = await lexical.search(query, None, VectorFilter([HOME]), 20)
    photos = await lexical.search(query, None, VectorFilter([HOME], kinds=["photo"]), 20)
    assert photos[0].score == pytest.approx(everything[0].score)


async def test_word_and_meaning_are_fused_by_rank(hybrid: VectorIndex) -> None:
    word = point("river picnic", dense=[0, 1, 0, 0])
    meaning = point("lunch outside", dense=[1, 0, 0, 0])
    both = point("picnic", dense=[0.9, 0.1, 0, 0])
    neither = point("tax", dense=[0, 0, 0, 1])
    await hybrid.upsert([word, meaning, both, neither])
    query = query_vector(terms("picnic", morphology=None))
    hits = await hybrid.search(query, [1, 0, 0, 0], VectorFilter([HOME]), 4)
    assert hits[0].entry_id == both.payload.entry_id
    assert {hit.entry_id for hit in hits[1:3]} == {word.payload.entry_id, meaning.payload.entry_id}
    lexical_rank_1_dense_rank_2 = 1 / 60 + 1 / 61, 1 / 61 + 1 / 62
    assert any(hits[0].score == pytest.approx(score, abs=1e-6) for score in lexical_rank_1_dense_rank_2)


async def test_meaning_alone_and_words_alone_are_asked_for(hybrid: VectorIndex) -> None:
    word, meaning = point("picnic", dense=[0, 1, 0, 0]), point("lunch", dense=[1, 0, 0, 0])
    await hybrid.upsert([word, meaning])
    by_meaning = await hybrid.search(query_vector([]), [1, 0, 0, 0], VectorFilter([HOME]), 1)
    assert [hit.entry_id for hit in by_meaning] == [meaning.payload.entry_id]
    assert await found(hybrid, "picnic") == [word.payload.entry_id]


async def test_meaning_does_not_cross_tenants(hybrid: VectorIndex) -> None:
    await hybrid.upsert([point("a", space=OFFICE, dense=[1, 0, 0, 0]), point("b", dense=[0, 0, 0, 1])])
    hits = await hybrid.search(query_vector(["a"]), [1, 0, 0, 0], VectorFilter([HOME]), 10)
    assert len(hits) == 1


@pytest.mark.parametrize("dense", [None, [1.0], [1.0] * 5])
async def test_a_point_whose_dense_vector_does_not_fit_is_refused_with_all_others(
    hybrid: VectorIndex, dense: list[float] | None
) -> None:
    entry = uuid4()
    batch = [point("river", dense=[1, 0, 0, 0]), point("river", entry=entry, dense=dense)]
    with pytest.raises(DenseVectorMisfit, match=str(entry)):
        await hybrid.upsert(batch)
    with pytest.raises(DenseVectorMisfit):
        await hybrid.replace_entry(entry, 1, batch[1:])
    assert await hybrid.count(VectorFilter([HOME])) == 0


async def test_a_dense_vector_without_a_dense_space_is_refused(lexical: VectorIndex) -> None:
    with pytest.raises(DenseVectorMisfit):
        await lexical.upsert([point("river", dense=[1, 0, 0, 0])])
    with pytest.raises(DenseVectorMisfit):
        await lexical.search(query_vector(["river"]), [1, 0, 0, 0], VectorFilter([HOME]), 1)


async def test_a_query_vector_of_another_length_is_refused(hybrid: VectorIndex) -> None:
    with pytest.raises(DenseVectorMisfit):
        await hybrid.search(query_vector(["river"]), [1.0, 0], VectorFilter([HOME]), 1)


async def test_readiness_and_closing_may_be_asked_twice(lexical: VectorIndex) -> None:
    await lexical.ready()
    await lexical.ready()
    await lexical.close()
    await lexical.close()
