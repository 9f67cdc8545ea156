"""A person puts insights right; that wins over every computation."""

from __future__ import annotations

from typing import Any

import pytest
from shared.testing.identity import Somebody
from shared.testing.memory import Memory

TEXT = "I was so happy that grandmother came to visit; we cooked dumplings together."


async def _correct(who: Somebody, entry_id: str, **fields: Any) -> dict[str, Any]:
    answer = await who.http.patch(f"/api/v1/entries/{entry_id}/insights", json=fields)
    assert answer.status_code == 200, answer.text
    insights: dict[str, Any] = answer.json()["insights"]
    return insights


async def test_corrected_fields_are_shown_and_named_and_the_others_stay(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, TEXT)
    await memory.settle()
    before = (await memory.entry(jiwoo, saved["id"]))["insights"]
    assert before["corrected"] == []
    after = await _correct(jiwoo, saved["id"], topics=["  Family ", "family", "Cooking"], people=["Grandmother"])
    assert after["topics"] == ["family", "cooking"]
    assert after["people"] == ["Grandmother"]
    assert after["corrected"] == ["people", "topics"]
    assert {key: after[key] for key in ("summary", "emotions", "dates")} == {
        key: before[key] for key in ("summary", "emotions", "dates")
    }


async def test_corrections_survive_a_new_version_and_filter_search(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, TEXT)
    await memory.settle()
    await _correct(jiwoo, saved["id"], topics=["reunion"], emotions=[{"label": "love", "score": 0.9}])
    await memory.settle()
    for filters in ({"topics": ["reunion"]}, {"topics": "Reunion"}, {"emotions": ["love"]}):
        assert [hit["entry_id"] for hit in await memory.hits(jiwoo, "dumplings", filters=filters)] == [saved["id"]]

    changed = await jiwoo.http.patch(f"/api/v1/entries/{saved['id']}", json={"body": TEXT + " It rained all day."})
    assert changed.status_code == 200
    await memory.settle()

    entry = await memory.entry(jiwoo, saved["id"])
    assert entry["insights"]["topics"] == ["reunion"]
    assert entry["insights"]["emotions"] == [{"label": "love", "score": 0.9}]
    assert entry["insights"]["corrected"] == ["emotions", "topics"]
    assert [hit["version"] for hit in await memory.hits(jiwoo, "dumplings", filters={"topics": ["reunion"]})] == [2]


async def test_an_undone_correction_shows_what_was_computed(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, TEXT)
    await memory.settle()
    computed = (await memory.entry(jiwoo, saved["id"]))["insights"]
    await _correct(jiwoo, saved["id"], summary="Grandmother's visit", topics=["reunion"])
    undone = await jiwoo.http.delete(f"/api/v1/entries/{saved['id']}/insights/topics")
    assert undone.json()["insights"]["topics"] == computed["topics"]
    assert undone.json()["insights"]["corrected"] == ["summary"]
    await memory.settle()
    assert await memory.hits(jiwoo, "dumplings", filters={"topics": ["reunion"]}) == []
    again = await jiwoo.http.delete(f"/api/v1/entries/{saved['id']}/insights/topics")
    assert (again.status_code, again.json()["code"]) == (404, "insight_not_corrected")
    unknown = await jiwoo.http.delete(f"/api/v1/entries/{saved['id']}/insights/mood")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"topics": None},
        {"topics": "family"},
        {"topics": [""]},
        {"topics": ["x" * 81]},
        {"emotions": [{"label": "hangry", "score": 1}]},
        {"emotions": [{"label": "joy", "score": 1.5}]},
        {"emotions": [{"label": "joy", "score": 1}, {"label": "joy", "score": 0.5}]},
        {"summary": "a\x00b"},
        {"provider": "me"},
    ],
)
async def test_a_correction_that_makes_no_sense_is_refused(memory: Memory, fields: dict[str, Any]) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, TEXT)
    await memory.settle()
    before = await memory.entry(jiwoo, saved["id"])
    answer = await jiwoo.http.patch(f"/api/v1/entries/{saved['id']}/insights", json=fields)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert await memory.entry(jiwoo, saved["id"]) == before


async def test_there_is_nothing_to_correct_before_insights_arrive(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, TEXT)
    answer = await jiwoo.http.patch(f"/api/v1/entries/{saved['id']}/insights", json={"summary": "early"})
    assert (answer.status_code, answer.json()["code"]) == (409, "insights_not_ready")
