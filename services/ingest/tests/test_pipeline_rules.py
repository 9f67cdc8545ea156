"""The pure parts of the pipeline: pieces, keys, batches and points."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from ingest.pipeline import chunk, embed
from ingest.pipeline.index import points_of
from ingest.pipeline.parse import Text
from ingest.pipeline.work import Claim, Labels, Present, Work
from shared.vectors.port import point_id

DAY = datetime(2026, 3, 14, 23, 30, tzinfo=UTC)


class NoMorphemes:
    version = "none"

    def morphemes(self, _: str) -> list[Any]:
        return []


class CountingEmbedder:
    """Vectors that say which text they are of; it remembers each batch."""

    def __init__(self, model: str = "m", dimensions: int = 2) -> None:
        self.model = model
        self.dimensions = dimensions
        self.batches: list[list[str]] = []

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.batches.append(list(texts))
        return [[float(len(text)), 1.5] for text in texts]


async def _pieces(body: str, title: str | None = None) -> chunk.Pieces:
    return await chunk.cut(body, title, NoMorphemes())


@pytest.mark.parametrize("length", [10, 5_000])
async def test_a_text_is_cut_the_same_in_this_thread_and_in_another(length: int) -> None:
    body = "The river was high. " * (length // 10)
    pieces = await _pieces(body, "River")
    assert [body[one.start : one.end] for one in pieces.chunks] == [one.text for one in pieces.chunks]
    assert len(pieces.chunks) == len(pieces.counts) == len(pieces.lengths)
    assert all("river" in counts for counts in pieces.counts)
    assert pieces.lengths == [pytest.approx(sum(counts.values())) for counts in pieces.counts]


async def test_a_title_is_searched_with_every_chunk_and_is_none_of_them() -> None:
    body = "\n\n".join(f"Paragraph {n}. " + "Nothing of note happened. " * 20 for n in range(12))
    pieces = await _pieces(body, "Lighthouse")
    assert len(pieces.chunks) > 10
    assert all(counts["lighthous"] == 1 for counts in pieces.counts)
    assert all("Lighthouse" not in one.text for one in pieces.chunks)


async def test_a_title_without_a_text_is_no_chunk() -> None:
    pieces = await _pieces("  \n ", "Title")
    assert (pieces.chunks, pieces.counts, pieces.rows(uuid4(), 1)) == ([], [], [])


async def test_rows_of_chunks_have_the_ids_of_their_points() -> None:
    entry = uuid4()
    pieces = await _pieces("One. " * 600)
    keys = [bytes([n]) * 32 for n in range(len(pieces.chunks))]
    rows = pieces.rows(entry, 3, keys)
    assert [row.id for row in rows] == [point_id(entry, 3, n) for n in range(len(rows))]
    assert [row.embedding_key for row in rows] == keys
    assert [row.ordinal for row in rows] == list(range(len(rows)))
    assert [row.sha256.hex() for row in rows] == [one.sha256 for one in pieces.chunks]
    assert {row.id for row in pieces.rows(entry, 4)}.isdisjoint({row.id for row in rows})
    assert all(row.embedding_key is None for row in pieces.rows(entry, 3))


async def test_texts_are_embedded_in_batches_and_in_order() -> None:
    embedder = CountingEmbedder()
    wanted = {str(n).encode(): "x" * n for n in range(300)}
    made = [batch async for batch in embed.embedded(embedder, wanted)]
    assert [len(batch) for batch in embedder.batches] == [128, 128, 44]
    vectors = {key: vector for batch in made for key, vector in batch.items()}
    assert list(vectors) == list(wanted)
    assert all(vectors[key].tolist() == [len(text), 1.5] for key, text in wanted.items())
    assert [batch async for batch in embed.embedded(embedder, {})] == []


async def test_an_embedder_that_forgets_one_is_not_believed() -> None:
    class Forgetful(CountingEmbedder):
        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            return (await super().embed(texts))[1:]

    with pytest.raises(ValueError, match="zip"):
        [batch async for batch in embed.embedded(Forgetful(), {b"a": "a", b"b": "b"})]


async def test_the_same_text_is_embedded_once_and_shared() -> None:
    paragraph = "The same paragraph stands here again and again. " * 9
    pieces = await _pieces("\n\n".join([paragraph.strip()] * 4))
    embedder = CountingEmbedder()
    text = Text("", None, DAY)
    assert len(pieces.chunks) == 4
    assert len(embed.texts(embedder, pieces.chunks, None, DAY)) == 1
    assert len(set(embed.keys_of(embedder, pieces, text))) == 1


async def test_title_and_day_stand_before_what_is_embedded() -> None:
    pieces = await _pieces("We went rowing.")
    [text] = embed.texts(CountingEmbedder(), pieces.chunks, "Lake", DAY).values()
    assert text == "Lake · 2026-03-14\nWe went rowing."


def test_a_key_tells_model_length_and_text_apart() -> None:
    embedders = [CountingEmbedder(), CountingEmbedder("m2"), CountingEmbedder("m", 3)]
    keys = [embed.key_of(embedder, text) for embedder in embedders for text in ("", "a", "2", "가")]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 32 for key in keys)


def _work(**changes: Any) -> Work:
    fields: dict[str, Any] = {
        "claim": Claim(UUID(int=1), 3, UUID(int=2), 1, UUID(int=3)),
        "author_id": UUID(int=4),
        "person_id": UUID(int=5),
        "kind": "note",
        "title": "Old",
        "occurred_at": DAY,
        "occurred_at_assumed": False,
        "indexed_version": None,
        "attempt": 1,
        "note": "",
        "body": "",
        "steps": {},
        "files": (),
        "known_people": (),
        "mean_length": 10.0,
        "topics": [],
        "emotions": [],
    }
    return Work(**{**fields, **changes})


async def test_points_are_filtered_by_how_the_entry_is_at_present() -> None:
    pieces = await _pieces("Some words here. " * 200)
    later = datetime(2027, 1, 1, tzinfo=UTC)
    dense = [[float(n), 0.0] for n in range(len(pieces.chunks))]
    points = points_of(_work(), Present("New", later, UUID(int=9)), Labels(["lake"], ["joy"]), pieces, dense)
    assert [point.payload.chunk for point in points] == list(range(len(pieces.chunks)))
    assert [point.dense for point in points] == dense
    assert len(points) > 2
    for point, sparse in zip(points, pieces.sparse(10.0), strict=True):
        payload = point.payload
        assert point.id == point_id(UUID(int=1), 3, payload.chunk)
        assert point.sparse == sparse
        assert (payload.occurred_at, payload.member_id) == (later, UUID(int=9))
        assert (payload.topics, payload.emotions) == (["lake"], ["joy"])
        assert (payload.space_id, payload.owner_id, payload.version) == (UUID(int=2), UUID(int=4), 3)


@pytest.mark.parametrize(
    ("state", "finished"),
    [("done", True), ("skipped", True), ("running", False), ("failed", False)],
)
def test_only_what_came_to_an_end_is_finished(state: str, finished: bool) -> None:
    work = _work(steps={"parse": state})
    assert work.finished("parse") is finished
    assert not work.finished("chunk")
