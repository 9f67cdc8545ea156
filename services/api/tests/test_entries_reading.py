"""Lists with their filters and pages; what strangers see, which is nothing."""

from __future__ import annotations

from uuid import uuid4

import pytest
from shared.testing.memory import Memory


async def test_pages_hold_every_entry_once_the_latest_first(memory: Memory) -> None:
    jiwoo = await memory.person()
    # Equal times: the id decides.
    times = ["2024-01-05", "2024-01-03", "2024-01-03", "2024-01-03", "2024-01-01"]
    saved = [await memory.note(jiwoo, f"day {n}", occurred_at=f"{day}T10:00:00Z") for n, day in enumerate(times)]
    expected = [entry["id"] for entry in sorted(saved, key=lambda e: (e["occurred_at"], e["id"]), reverse=True)]
    for size in (1, 2, 3, 5, 100):
        seen: list[str] = []
        token = None
        while True:
            query = {"page_size": size, **({"page_token": token} if token else {})}
            page = (await jiwoo.http.get("/api/v1/entries", params=query)).json()
            assert len(page["entries"]) <= size
            seen += [entry["id"] for entry in page["entries"]]
            token = page["next_page_token"]
            if token is None:
                break
        assert seen == expected


async def test_filters_narrow_the_list(memory: Memory) -> None:
    jiwoo = await memory.person()
    hana = (await jiwoo.http.post("/api/v1/people", json={"name": "Hana"})).json()["id"]
    happy = await memory.note(jiwoo, "I am so happy and grateful today!", occurred_at="2024-03-01T12:00:00Z")
    about = await memory.note(jiwoo, "She planted tulips.", person_id=hana, occurred_at="2024-03-02T23:59:59Z")
    upload = await memory.upload(jiwoo, "list.txt", "text/plain", b"Tent, rope, lamp.")
    document = await jiwoo.http.post(
        "/api/v1/entries", json={"kind": "document", "uploads": [upload], "occurred_at": "2024-03-03T00:00:00Z"}
    )
    await memory.settle()
    correction = {"topics": ["Gardening"], "emotions": [{"label": "calm", "score": 0.7}]}
    await jiwoo.http.patch(f"/api/v1/entries/{about['id']}/insights", json=correction)

    async def listed(**query: str) -> set[str]:
        answer = await jiwoo.http.get("/api/v1/entries", params=query)
        assert answer.status_code == 200, answer.text
        return {entry["id"] for entry in answer.json()["entries"]}

    document_id = document.json()["id"]
    everything = {happy["id"], about["id"], document_id}
    assert await listed() == everything
    assert await listed(kind="document") == {document_id}
    assert await listed(status="ready") == everything
    assert await listed(status="failed") == set()
    assert await listed(person_id=hana) == {about["id"]}
    assert await listed(topic="GARDENING") == {about["id"]}
    assert await listed(emotion="calm") == {about["id"]}
    assert happy["id"] in await listed(emotion="gratitude")
    assert await listed(space_id=jiwoo.space_id) == everything
    assert await listed(space_id=str(uuid4())) == set()
    # A time is exclusive as an end; a bare date includes its day.
    assert await listed(**{"from": "2024-03-02", "to": "2024-03-02"}) == {about["id"]}
    assert await listed(**{"from": "2024-03-01T12:00:00Z", "to": "2024-03-02T23:59:59Z"}) == {happy["id"]}
    assert await listed(**{"from": "2024-03-01T12:00:01Z"}) == {about["id"], document_id}


async def test_a_page_token_belongs_to_its_filters(memory: Memory) -> None:
    jiwoo = await memory.person()
    for n in range(3):
        await memory.note(jiwoo, f"note {n}")
    page = (await jiwoo.http.get("/api/v1/entries", params={"page_size": 1, "kind": "note"})).json()
    for query in ({"page_token": page["next_page_token"]}, {"page_token": "bm9uc2Vuc2U"}, {"page_token": "%%%"}):
        answer = await jiwoo.http.get("/api/v1/entries", params=query)
        assert (answer.status_code, answer.json()["code"]) == (400, "page_token_invalid")


@pytest.mark.parametrize(
    "query",
    [
        {"page_size": "0"},
        {"page_size": "101"},
        {"kind": "poem"},
        {"emotion": "hangry"},
        {"topic": "a\x00b"},
        {"from": "whenever"},
        {"to": "9999-12-31"},
        {"person_id": "me"},
    ],
)
async def test_filters_that_make_no_sense_are_refused(memory: Memory, query: dict[str, str]) -> None:
    jiwoo = await memory.person()
    answer = await jiwoo.http.get("/api/v1/entries", params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_a_long_body_is_cut_in_lists_and_whole_when_read(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "가나다라 " * 2000)
    [listed] = (await jiwoo.http.get("/api/v1/entries")).json()["entries"]
    assert listed["truncated"]
    assert saved["body"].startswith(listed["body"])
    assert 0 < len(listed["body"]) < len(saved["body"])
    assert (await memory.entry(jiwoo, saved["id"]))["body"] == saved["body"]


async def test_to_a_stranger_an_entry_does_not_exist(memory: Memory) -> None:
    jiwoo, minho = await memory.person(), await memory.person("minho")
    saved = await memory.note(jiwoo, "A secret about the surprise party")
    await memory.settle()
    base = f"/api/v1/entries/{saved['id']}"
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"body": "x"}),
        ("DELETE", "", None),
        ("POST", "/retry", None),
        ("GET", "/events", None),
        ("PATCH", "/insights", {"summary": "x"}),
        ("DELETE", "/insights/summary", None),
        ("GET", "/versions", None),
    ):
        answer = await minho.http.request(method, base + path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "entry_not_found"), (method, path)
    version = await minho.http.get(f"{base}/versions/1")
    assert (version.status_code, version.json()["code"]) == (404, "version_not_found")
    stream = await minho.http.get(f"/api/v1/streams/{saved['stream_id']}")
    assert (stream.status_code, stream.json()["code"]) == (404, "stream_not_found")
    assert (await minho.http.get("/api/v1/entries")).json()["entries"] == []
    assert (await memory.entry(jiwoo, saved["id"]))["body"] == "A secret about the surprise party"
