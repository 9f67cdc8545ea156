"""Versions, conflicts, deletion, retry."""

from __future__ import annotations

from typing import Any

import pytest
from shared.testing.identity import Somebody
from shared.testing.memory import Memory, events_of


async def _patch(who: Somebody, entry: dict[str, Any], **change: Any) -> dict[str, Any]:
    answer = await who.http.patch(f"/api/v1/entries/{entry['id']}", json=change)
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()
    return changed


async def test_another_body_is_a_new_version_and_search_finds_only_that(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "We planted tulips behind the house.")
    await memory.settle()
    changed = await _patch(jiwoo, saved, body="We planted sunflowers behind the house.")
    assert (changed["version"], changed["status"]) == (2, "processing")
    assert changed["stream_id"] != saved["stream_id"]
    assert [hit["version"] for hit in await memory.hits(jiwoo, "tulips")] == [1]

    await memory.settle()
    assert (await memory.entry(jiwoo, saved["id"]))["status"] == "ready"
    [hit] = await memory.hits(jiwoo, "sunflowers")
    assert (hit["version"], hit["text"]) == (2, "We planted sunflowers behind the house.")
    assert all(hit["version"] == 2 for hit in await memory.hits(jiwoo, "tulips behind the house"))


async def test_old_versions_stay_readable_so_that_citations_open(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "first words")
    await _patch(jiwoo, saved, body="second words")
    await _patch(jiwoo, saved, body="third words", title="Third")
    base = f"/api/v1/entries/{saved['id']}/versions"
    listed = (await jiwoo.http.get(base)).json()["versions"]
    assert [(version["version"], version["current"]) for version in listed] == [(3, True), (2, False), (1, False)]
    bodies = [(await jiwoo.http.get(f"{base}/{number}")).json()["body"] for number in (1, 2, 3)]
    assert bodies == ["first words", "second words", "third words"]
    for number in ("4", "0", str(2**40), "one"):
        assert (await jiwoo.http.get(f"{base}/{number}")).status_code in {404, 422}


async def test_whoever_followed_the_old_version_learns_that_it_was_replaced(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "draft")
    await _patch(jiwoo, saved, body="better draft")
    answer = await jiwoo.http.get(f"/api/v1/streams/{saved['stream_id']}")
    [event] = events_of(answer.text)
    assert (event.type, event.data) == ("cancelled", {"replaced_by": 2})


async def test_a_change_of_what_surrounds_the_text_is_no_new_version(memory: Memory) -> None:
    jiwoo = await memory.person()
    hana = (await jiwoo.http.post("/api/v1/people", json={"name": "Hana"})).json()["id"]
    saved = await memory.note(jiwoo, "First ride without training wheels.", occurred_at="2024-05-01T10:00:00Z")
    await memory.settle()
    changed = await _patch(jiwoo, saved, title="Bicycle day", occurred_at="2023-05-01T10:00:00Z", person_id=hana)
    assert (changed["version"], changed["status"], changed["title"]) == (1, "ready", "Bicycle day")
    await memory.settle()

    about_hana = {"filters": {"person_id": hana}}
    assert [hit["entry_id"] for hit in await memory.hits(jiwoo, "training wheels", **about_hana)] == [saved["id"]]
    in_2023 = {"filters": {"from": "2023-01-01", "to": "2023-12-31"}}
    [hit] = await memory.hits(jiwoo, "training wheels", **in_2023)
    assert hit["title"] == "Bicycle day"
    assert await memory.hits(jiwoo, "training wheels", filters={"from": "2024-01-01"}) == []
    assert [hit["entry_id"] for hit in await memory.hits(jiwoo, "bicycle")] == [saved["id"]]

    cleared = await _patch(jiwoo, saved, title=None, person_id=None)
    assert (cleared["title"], cleared["person_id"]) == (None, None)
    await memory.settle()
    assert await memory.hits(jiwoo, "training wheels", **about_hana) == []
    assert await memory.hits(jiwoo, "bicycle") == []


async def test_the_same_values_change_nothing(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "as it was", title="Same")
    await memory.settle()
    before = await memory.entry(jiwoo, saved["id"])
    assert await _patch(jiwoo, saved, body="as it was", title="Same", occurred_at=saved["occurred_at"]) == before
    assert await _patch(jiwoo, saved) == before
    assert await memory.deliverer.waiting() == []


async def test_a_change_for_an_older_version_is_refused(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "one")
    await _patch(jiwoo, saved, body="two", version=1)
    late = await jiwoo.http.patch(f"/api/v1/entries/{saved['id']}", json={"body": "three", "version": 1})
    assert (late.status_code, late.json()["code"], late.json()["current_version"]) == (409, "version_outdated", 2)
    assert (await memory.entry(jiwoo, saved["id"]))["body"] == "two"


@pytest.mark.parametrize(
    "change",
    [
        {"body": "  "},
        {"body": None},
        {"occurred_at": None},
        {"body": "a\x00"},
        {"kind": "photo"},
        {"version": 0},
    ],
)
async def test_a_change_that_makes_no_sense_is_refused(memory: Memory, change: dict[str, Any]) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "stays")
    answer = await jiwoo.http.patch(f"/api/v1/entries/{saved['id']}", json=change)
    assert answer.status_code == 422
    assert await memory.entry(jiwoo, saved["id"]) == saved


async def test_deletion_takes_rows_points_files_and_streams(memory: Memory) -> None:
    jiwoo = await memory.person()
    upload = await memory.upload(jiwoo, "recipe.txt", "text/plain", b"Kimchi needs salt and time.")
    created = await jiwoo.http.post(
        "/api/v1/entries", json={"kind": "document", "uploads": [upload], "body": "From mother"}
    )
    entry_id = created.json()["id"]
    kept = await memory.note(jiwoo, "Another entry about salt")
    await memory.settle()
    assert {hit["entry_id"] for hit in await memory.hits(jiwoo, "salt")} == {entry_id, kept["id"]}
    [stored] = await memory.rows("SELECT object_key FROM maru.uploads WHERE id = $1", upload)
    assert await memory.storage.head(stored["object_key"]) is not None

    assert (await jiwoo.http.delete(f"/api/v1/entries/{entry_id}")).status_code == 204
    assert [hit["entry_id"] for hit in await memory.hits(jiwoo, "salt")] == [kept["id"]]
    await memory.settle()

    assert await memory.vectors.entry_points(entry_id) == []
    assert await memory.storage.head(stored["object_key"]) is None
    for table in ("entries", "entry_versions", "entry_files", "entry_steps", "chunks", "insights"):
        column = "id" if table == "entries" else "entry_id"
        assert await memory.rows(f"SELECT 1 FROM maru.{table} WHERE {column} = $1", entry_id) == [], table
    assert await memory.rows("SELECT 1 FROM maru.uploads WHERE id = $1", upload) == []
    assert await memory.rows("SELECT 1 FROM maru.streams WHERE subject_id = $1", entry_id) == []
    assert (await jiwoo.http.get(f"/api/v1/uploads/{upload}")).status_code == 404
    assert (await jiwoo.http.delete(f"/api/v1/entries/{entry_id}")).status_code == 404
    [statistics] = await memory.rows("SELECT chunk_count, term_count FROM maru.text_statistics")
    [counted] = await memory.rows("SELECT count(*) AS chunk_count, sum(length) AS term_count FROM maru.chunks")
    assert statistics == counted


async def test_a_ready_entry_cannot_be_retried(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "fine")
    pending = await jiwoo.http.post(f"/api/v1/entries/{saved['id']}/retry")
    assert (pending.status_code, pending.json()["status"]) == (202, "processing")
    await memory.settle()
    ready = await jiwoo.http.post(f"/api/v1/entries/{saved['id']}/retry")
    assert (ready.status_code, ready.json()["code"]) == (409, "entry_not_failed")
