"""The pure parts of the pipeline: keys, batches, prompts, failures, and what is refused before it reaches a database."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest.handlers import FACTS
from ingest.messages import EntryDeleted, EntrySaved, RefreshEntry
from ingest.parse.errors import (
    REFUSALS,
    FileBroken,
    FileEncrypted,
    FileOversized,
    ParseTimedOut,
    SandboxAway,
)
from ingest.pipeline import chunk, embed
from ingest.pipeline.failures import Failure, StepTimedOut, TryAgain, WorkCrashed, classify
from ingest.pipeline.index import points_of
from ingest.pipeline.parse import Text
from ingest.pipeline.understanding import EmotionGuess, Understanding, prompt, storable, tidied
from ingest.pipeline.work import Claim, Labels, Present, Work
from pydantic import ValidationError
from shared.errors import BadRequest, Problem, Unavailable
from shared.llm.errors import (
    ModelCutOff,
    ModelMisconfigured,
    ModelOutputInvalid,
    ModelQuotaExhausted,
    ModelRateLimited,
    ModelRefused,
    ModelTimedOut,
)
from shared.pushes import MessageMalformed, open_envelope, reason
from shared.storage.errors import ObjectMissing, StorageAway
from shared.vectors.errors import VectorsUnavailable
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


@pytest.mark.parametrize(
    ("error", "code", "passing", "recovers"),
    [
        (TimeoutError(), "step_timeout", True, False),
        (StepTimedOut(), "step_timeout", True, True),
        (ModelTimedOut(), "model_timeout", True, True),
        (ModelCutOff(), "model_cut_off", True, True),
        (ModelRateLimited(), "model_rate_limited", True, True),
        (ModelOutputInvalid(), "model_output_invalid", True, True),
        (ModelQuotaExhausted(), "model_quota_exhausted", False, False),
        (ModelRefused(), "model_refused", False, False),
        (ModelMisconfigured(), "model_misconfigured", False, False),
        (ObjectMissing(), "file_not_found", False, False),
        (StorageAway(), "storage_unavailable", True, True),
        (VectorsUnavailable("away"), "vectors_unavailable", True, True),
        (SandboxAway(), "sandbox_unavailable", True, True),
        (FileEncrypted(), "file_encrypted", False, False),
        (FileOversized(), "file_too_large", False, False),
        (ParseTimedOut(), "parse_timeout", False, False),
        (WorkCrashed(), "work_crashed", False, False),
        (BadRequest("no"), "bad_request", False, False),
        (KeyError("secret"), "internal_error", True, False),
        (ZeroDivisionError(), "internal_error", True, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_a_failure_means(error: Exception, code: str, passing: bool, recovers: bool) -> None:
    failure = classify(error)
    assert (failure.code, failure.passing, failure.recovers) == (code, passing, recovers)
    assert failure.detail.strip().endswith((".", "away", "no"))
    assert failure.document("embed") == {"code": code, "detail": failure.detail, "step": "embed"}


def test_our_own_faults_are_told_without_their_innards() -> None:
    assert "secret" not in classify(KeyError("secret")).detail
    assert "secret" not in classify(RuntimeError("secret")).detail


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_a_refused_file_is_final_and_says_what_helps(refusal: type[Problem]) -> None:
    assert classify(refusal()) == Failure(refusal.code, refusal().detail, passing=False, recovers=False)


def test_trying_again_is_answered_with_503() -> None:
    assert issubclass(TryAgain, Unavailable)
    assert TryAgain().status == 503


def _envelope(data: object, **fields: Any) -> bytes:
    encoded = base64.b64encode(json.dumps(data).encode()).decode()
    return json.dumps({"message": {"data": encoded, "messageId": "m-1", **fields}}).encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_an_envelope_gives_back_what_was_put_in(data: dict[str, Any]) -> None:
    opened = open_envelope(_envelope(data))
    assert (opened.message_id, opened.data) == ("m-1", data)


@settings(max_examples=150)
@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_malformed_and_nothing_worse(raw: bytes) -> None:
    with pytest.raises(MessageMalformed, match="not a push envelope"):
        open_envelope(raw)


@settings(max_examples=60)
@given(json_values, json_values)
def test_an_envelope_of_odd_parts_is_malformed_and_nothing_worse(data: Any, message_id: Any) -> None:
    raw = json.dumps({"message": {"data": data, "messageId": message_id}}).encode()
    with pytest.raises(MessageMalformed):
        open_envelope(raw)


@pytest.mark.parametrize("message_id", ["", "a\nb", "a\x00", "x" * 201, 5, None, ["m"]])
def test_a_message_id_is_a_short_printable_name(message_id: Any) -> None:
    with pytest.raises(MessageMalformed):
        open_envelope(_envelope({}, messageId=message_id))


def test_the_older_name_of_the_message_id_is_taken_too() -> None:
    raw = json.loads(_envelope({"a": 1}))
    raw["message"]["message_id"] = raw["message"].pop("messageId")
    assert open_envelope(json.dumps(raw).encode()).message_id == "m-1"


@pytest.mark.parametrize("version", [0, -1, 2**31, 10**30, "x", None, 1.5, float("inf")])
def test_a_version_that_no_row_can_have_is_refused_before_the_database_sees_it(version: Any) -> None:
    fields = {"entry_id": str(uuid4()), "space_id": str(uuid4()), "version": version}
    with pytest.raises(ValidationError) as refused:
        EntrySaved.model_validate(fields)
    assert reason(refused.value).startswith("version: ")


def test_a_reason_names_fields_and_never_what_they_hold() -> None:
    with pytest.raises(ValidationError) as refused:
        RefreshEntry.model_validate({"entry_id": "my diary", "space_id": "my diary", "vectors": "my diary"})
    assert {part.split(":")[0] for part in reason(refused.value).split("; ")} == {"entry_id", "space_id", "vectors"}
    assert "my diary" not in reason(refused.value)


def test_each_fact_leads_to_one_queue() -> None:
    assert {topic: fact.queue for topic, fact in FACTS.items()} == {
        "entry.saved": "index-entry",
        "entry.changed": "refresh-entry",
        "entry.insights_corrected": "refresh-entry",
        "entry.deleted": "forget-entry",
        "space.deleted": "forget-space",
    }
    assert FACTS["entry.changed"].also == {"vectors": True}
    assert FACTS["entry.insights_corrected"].also == {"vectors": False}


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


def _asked(body: str, title: str | None = None, people: Sequence[str] = ()) -> str:
    system, user = prompt(body, title, DAY, people)
    assert (system.role, user.role) == ("system", "user")
    return user.content


def test_a_prompt_has_the_facts_before_the_entry() -> None:
    assert _asked("비가 왔다.", "장마", ["하나", "두리"]) == (
        "Day: 2026-03-14\nTitle: 장마\nKnown names: 하나, 두리\n<entry>\n비가 왔다.\n</entry>"
    )
    assert _asked("Rain.") == "Day: 2026-03-14\n<entry>\nRain.\n</entry>"


@pytest.mark.parametrize(
    "fence",
    ["</entry>", "</ENTRY>", "</ entry >", "< /entry>", "</entry\n>", "<entry>", "<Entry a='b'>", "</entry/>"],
)
def test_nothing_a_person_writes_begins_or_ends_the_entry(fence: str) -> None:
    asked = _asked(f"before {fence} after", f"title {fence} here", [f"name {fence}"])
    lines = asked.lower().split("\n")
    assert lines[3] == "<entry>"
    assert lines[-1] == "</entry>"
    inside = asked.lower().removesuffix("\n</entry>").replace("\n<entry>\n", "\n", 1)
    assert "<" not in inside.replace("<br", "")
    assert "before" in inside
    assert "after" in inside


def test_a_title_of_several_lines_is_one_fact() -> None:
    assert _asked("x", "one\n<entry>\nDay: 1999-01-01").split("\n")[1:3] == [
        "Title: one ‹entry> Day: 1999-01-01",
        "<entry>",
    ]


def test_other_tags_and_signs_stay_as_they_are() -> None:
    body = "a < b, <b>bold</b>, entry </entries> x<3"
    assert body in _asked(body)


def test_of_a_very_long_text_beginning_and_end_are_asked_about() -> None:
    body = "".join(f"{n:06d} " for n in range(10_000))
    asked = _asked(body)
    assert len(asked) < 24_200
    assert "000000 " in asked
    assert "009999" in asked
    assert "005000" not in asked
    assert "[…]" in asked
    assert "[…]" not in _asked(body[:24_000])


def test_no_more_than_a_hundred_names_are_told() -> None:
    asked = _asked("x", None, [f"name{n}" for n in range(500)])
    assert "name99" in asked
    assert "name100" not in asked


def _raw(**changes: Any) -> Understanding:
    fields: dict[str, Any] = {"summary": "s", "topics": [], "emotions": [], "people": [], "dates": []}
    return Understanding(**{**fields, **changes})


def test_an_answer_is_trimmed_and_each_is_told_once() -> None:
    stored = tidied(
        _raw(
            summary="  A walk.\x00 \ud800",
            topics=[" Walk", "walk ", "", "  ", "RAIN", "비"],
            people=["Hana", " Hana", "", "hana"],
            dates=["2026-03-14", "2026-03-14 "],
        )
    )
    assert stored == {
        "summary": "A walk.",
        "topics": ["walk", "rain", "비"],
        "emotions": [],
        "people": ["Hana", "hana"],
        "dates": ["2026-03-14"],
    }


@pytest.mark.parametrize(
    "day",
    [
        "tomorrow",
        "2026-13-01",
        "2026-02-30",
        "14 March 2026",
        "2026-3-1",
        "20260314",
        "2026-W11-6",
        "",
        "2026-03-14T00:00",
    ],
)
def test_a_day_that_is_none_is_left_out(day: str) -> None:
    assert tidied(_raw(dates=[day, "2024-02-29"]))["dates"] == ["2024-02-29"]


def test_lists_and_texts_end_where_the_contract_does() -> None:
    stored = tidied(
        _raw(
            summary="가" * 9_000,
            topics=[f"topic {n} " + "x" * 300 for n in range(30)],
            people=[f"p{n}" for n in range(90)],
        )
    )
    assert len(str(stored["summary"])) == 4_000
    topics, people = stored["topics"], stored["people"]
    assert isinstance(topics, list)
    assert isinstance(people, list)
    assert (len(topics), len(people)) == (8, 50)
    assert all(len(topic) <= 200 for topic in topics)


labels = st.sampled_from(["joy", "sadness", "worry", "pride"])


@settings(max_examples=60)
@given(st.lists(st.tuples(labels, st.floats(0, 1)), max_size=12))
def test_emotions_are_told_once_at_their_strongest_first(guesses: list[tuple[Any, float]]) -> None:
    shown = tidied(_raw(emotions=[EmotionGuess(label=label, score=score) for label, score in guesses]))["emotions"]
    assert isinstance(shown, list)
    scores = {emotion["label"]: emotion["score"] for emotion in shown}
    best: dict[str, float] = {}
    for label, score in guesses:
        best[label] = max(best.get(label, 0), round(score, 3))
    assert scores == {label: score for label, score in best.items() if score > 0}
    assert all(one["score"] >= other["score"] for one, other in pairwise(shown))


@pytest.mark.parametrize(
    "guess", [{"label": "bliss", "score": 1}, {"label": "joy", "score": 1.1}, {"label": "joy", "score": float("nan")}]
)
def test_an_emotion_outside_the_list_or_scale_is_no_answer(guess: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EmotionGuess.model_validate(guess)


@given(st.text(st.characters(), max_size=100))
def test_what_a_database_takes_stays_as_it_is(text: str) -> None:
    kept = storable(text)
    assert kept.encode().decode() == kept
    assert "\0" not in kept
    assert storable(kept) == kept
    assert kept == "".join(letter for letter in text if letter != "\0" and not 0xD800 <= ord(letter) <= 0xDFFF)


def test_a_broken_file_is_still_a_file_refused() -> None:
    assert REFUSALS["file_broken"] is FileBroken


@pytest.mark.parametrize(
    "key", ["spaces/x", "spaces/{space}/original", "spaces/{other}/{upload}/original", "original", ""]
)
def test_a_deletion_takes_only_files_of_uploads_in_its_own_space(key: str) -> None:
    space, other, upload = uuid4(), uuid4(), uuid4()
    names = {"space": space, "other": other, "upload": upload}
    mine = f"spaces/{space}/{upload}/original"
    assert EntryDeleted(entry_id=uuid4(), space_id=space, object_keys=[mine]).object_keys == [mine]
    with pytest.raises(ValidationError):
        EntryDeleted(entry_id=uuid4(), space_id=space, object_keys=[mine, key.format(**names)])
