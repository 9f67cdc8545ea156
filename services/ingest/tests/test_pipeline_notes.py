"""A note on its way from being saved to being found."""

from __future__ import annotations

from shared.testing.memory import Memory, events_of


async def test_a_saved_note_becomes_ready_with_insights_and_is_found(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "We flew a red kite at the river park and laughed a lot.", title="Kite day")
    assert (saved["status"], saved["version"], saved["insights"]) == ("processing", 1, None)
    assert await memory.hits(jiwoo, "kite") == []

    await memory.settle()

    entry = await memory.entry(jiwoo, saved["id"])
    assert entry["status"] == "ready"
    assert entry["insights"]["provider"] == "offline"
    assert entry["insights"]["summary"]
    assert [step["step"] for step in entry["steps"]] == ["parse", "chunk", "embed", "index", "insights"]
    [hit] = await memory.hits(jiwoo, "red kite")
    assert hit["entry_id"] == saved["id"]
    assert entry["body"][hit["start"] : hit["end"]] == hit["text"]


async def test_the_steps_arrive_as_events_and_can_be_replayed_from_any_of_them(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "A quiet evening with tea.")
    await memory.settle()

    answer = await jiwoo.http.get(f"/api/v1/entries/{saved['id']}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer.text)
    assert [event.data["step"] for event in events if event.data.get("state") in {"done", "skipped"}] == [
        "parse",
        "chunk",
        "embed",
        "index",
        "insights",
    ]
    assert events[-1].type == "done"
    assert [event.seq for event in events] == sorted({event.seq for event in events})
    for place, event in enumerate(events[:-1]):
        rest = await jiwoo.http.get(f"/api/v1/streams/{saved['stream_id']}", headers={"Last-Event-ID": str(event.seq)})
        assert events_of(rest.text) == events[place + 1 :]
    past = await jiwoo.http.get(f"/api/v1/streams/{saved['stream_id']}", params={"after": events[-1].seq})
    assert past.status_code == 204
