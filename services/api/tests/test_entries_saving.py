"""What can be saved, by whom, and what is refused without a trace."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from shared.testing.identity import Somebody
from shared.testing.memory import Memory


async def _nothing_was_stored(memory: Memory) -> None:
    for table in ("entries", "entry_versions", "streams", "outbox", "entry_files"):
        rows = await memory.rows(f"SELECT count(*) AS n FROM maru.{table} WHERE true")
        if table == "outbox":
            rows = await memory.rows("SELECT count(*) AS n FROM maru.outbox WHERE topic_or_queue LIKE 'entry.%'")
        assert rows[0]["n"] == 0, table


async def test_a_note_is_saved_in_the_personal_space_with_everything_a_client_needs(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(
        jiwoo, "  마루에 앉아 차를 마셨다.\n", title=" 저녁 ", occurred_at="2024-05-03T20:00:00+09:00"
    )
    assert saved["space_id"] == jiwoo.space_id
    assert saved["author_id"] == jiwoo.id
    assert saved["body"] == saved["note"] == "  마루에 앉아 차를 마셨다.\n"
    assert saved["title"] == "저녁"
    assert saved["occurred_at"].startswith("2024-05-03T11:00:00")
    assert saved["attachments"] == saved["steps"] == []
    assert await memory.entry(jiwoo, saved["id"]) == saved


async def test_saving_promises_exactly_one_event(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "one promise")
    [message] = await memory.deliverer.waiting()
    assert (message.name, message.key) == ("entry.saved", saved["id"])
    assert message.body == {
        "entry_id": saved["id"],
        "version": 1,
        "space_id": jiwoo.space_id,
        "author_id": jiwoo.id,
    }


async def test_the_same_key_saves_once_and_gives_the_same_answer(memory: Memory) -> None:
    jiwoo = await memory.person()
    request = {"kind": "note", "body": "twice sent, once saved"}
    key = {"Idempotency-Key": "draft-1"}
    first = await jiwoo.http.post("/api/v1/entries", json=request, headers=key)
    second = await jiwoo.http.post("/api/v1/entries", json=request, headers=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert len(await memory.deliverer.waiting()) == 1
    other = await jiwoo.http.post("/api/v1/entries", json={**request, "body": "another"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("request_body", "status", "code"),
    [
        ({"kind": "note", "body": " \n\t "}, 422, "note_blank"),
        ({"kind": "note"}, 422, "note_blank"),
        ({"kind": "photo", "body": "no picture"}, 422, "upload_type_unfit"),
        ({"kind": "audio", "uploads": []}, 422, "upload_type_unfit"),
        ({"kind": "poem", "body": "x"}, 422, "invalid"),
        ({"kind": "note", "body": "a\x00b"}, 422, "invalid"),
        ({"kind": "note", "body": "ok", "title": "a\x00b"}, 422, "invalid"),
        ({"kind": "note", "body": "ok", "title": "x" * 501}, 422, "invalid"),
        ({"kind": "note", "body": "x" * 1_000_001}, 422, "invalid"),
        ({"kind": "note", "body": "ok", "occurred_at": "yesterday"}, 422, "invalid"),
        ({"kind": "note", "body": "ok", "occurred_at": "0001-01-01T00:00:00+09:00"}, 422, "invalid"),
        ({"kind": "note", "body": "ok", "occurred_at": "9999-12-31T23:59:59-10:00"}, 422, "invalid"),
        ({"kind": "note", "body": "ok", "uploads": ["not-an-id"]}, 422, "invalid"),
        ({"kind": "note", "body": "ok", "uploads": [str(uuid4())]}, 404, "upload_not_found"),
        ({"kind": "note", "body": "ok", "space_id": str(uuid4())}, 404, "space_not_found"),
        ({"kind": "note", "body": "ok", "person_id": str(uuid4())}, 404, "person_not_found"),
        ({"kind": "note", "body": "ok", "mood": "typo"}, 422, "invalid"),
        ([], 422, "invalid"),
    ],
)
async def test_bad_input_is_refused_with_a_code_and_stores_nothing(
    memory: Memory, request_body: Any, status: int, code: str
) -> None:
    jiwoo = await memory.person()
    answer = await jiwoo.http.post("/api/v1/entries", json=request_body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"]
    await _nothing_was_stored(memory)


async def test_half_a_surrogate_pair_is_refused(memory: Memory) -> None:
    jiwoo = await memory.person()
    answer = await jiwoo.http.post(
        "/api/v1/entries", content=b'{"kind":"note","body":"\\ud83d"}', headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_a_million_characters_fit(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "마" * 1_000_000)
    assert len(saved["body"]) == 1_000_000


async def _share(owner: Somebody, with_whom: Somebody, role: str) -> str:
    space = (await owner.http.post("/api/v1/spaces", json={"name": "Household"})).json()["id"]
    answer = await owner.http.post(f"/api/v1/spaces/{space}/members", json={"email": with_whom.email, "role": role})
    assert answer.status_code in {200, 201}, answer.text
    return str(space)


async def test_an_editor_writes_to_a_shared_space_and_a_viewer_does_not(memory: Memory) -> None:
    jiwoo, minho, sora = await memory.person("jiwoo"), await memory.person("minho"), await memory.person("sora")
    space = await _share(jiwoo, minho, "editor")
    added = await jiwoo.http.post(f"/api/v1/spaces/{space}/members", json={"email": sora.email, "role": "viewer"})
    assert added.status_code in {200, 201}

    saved = await memory.note(minho, "Groceries for the weekend", space_id=space)
    assert (await memory.entry(sora, saved["id"]))["body"] == "Groceries for the weekend"

    refused = await sora.http.post("/api/v1/entries", json={"kind": "note", "body": "mine too", "space_id": space})
    assert (refused.status_code, refused.json()["code"]) == (403, "space_read_only")
    for method, path, body in (
        ("PATCH", "", {"body": "changed"}),
        ("DELETE", "", None),
        ("POST", "/retry", None),
        ("PATCH", "/insights", {"summary": "x"}),
        ("DELETE", "/insights/summary", None),
    ):
        answer = await sora.http.request(method, f"/api/v1/entries/{saved['id']}{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "space_read_only"), (method, path)


async def test_an_entry_may_be_about_a_person_of_its_own_space_only(memory: Memory) -> None:
    jiwoo = await memory.person()
    minho = await memory.person("minho")
    hana = (await jiwoo.http.post("/api/v1/people", json={"name": "하나", "relation": "daughter"})).json()["id"]
    saved = await memory.note(jiwoo, "하나가 처음으로 자전거를 탔다.", person_id=hana)
    assert saved["person_id"] == hana
    stranger = await minho.http.post("/api/v1/entries", json={"kind": "note", "body": "x", "person_id": hana})
    assert (stranger.status_code, stranger.json()["code"]) == (404, "person_not_found")


async def test_a_file_belongs_to_one_entry_of_its_own_space_and_fits_its_kind(memory: Memory) -> None:
    jiwoo, minho = await memory.person(), await memory.person("minho")
    upload = await memory.upload(jiwoo, "plan.txt", "text/plain", b"Buy a bigger table.")

    unfit = await jiwoo.http.post("/api/v1/entries", json={"kind": "photo", "uploads": [upload]})
    assert (unfit.status_code, unfit.json()["code"]) == (422, "upload_type_unfit")
    stolen = await minho.http.post("/api/v1/entries", json={"kind": "document", "uploads": [upload]})
    assert (stolen.status_code, stolen.json()["code"]) == (404, "upload_not_found")

    saved = await jiwoo.http.post("/api/v1/entries", json={"kind": "document", "uploads": [upload, upload]})
    assert saved.status_code == 201, saved.text
    [attachment] = saved.json()["attachments"]
    assert (attachment["upload_id"], attachment["filename"], attachment["size"]) == (upload, "plan.txt", 19)
    assert attachment["content_url"] == f"/api/v1/uploads/{upload}/content"
    assert "object_key" not in str(saved.json())

    again = await jiwoo.http.post("/api/v1/entries", json={"kind": "document", "uploads": [upload]})
    assert (again.status_code, again.json()["code"]) == (409, "upload_already_attached")


async def test_an_upload_that_was_not_completed_cannot_be_attached(memory: Memory) -> None:
    jiwoo = await memory.person()
    begun = await jiwoo.http.post(
        "/api/v1/uploads", json={"filename": "a.txt", "content_type": "text/plain", "size": 3}
    )
    answer = await jiwoo.http.post("/api/v1/entries", json={"kind": "document", "uploads": [begun.json()["id"]]})
    assert (answer.status_code, answer.json()["code"]) == (422, "upload_not_ready")
    await _nothing_was_stored(memory)


async def test_without_a_token_nothing_is_told(memory: Memory) -> None:
    for method, path in (
        ("GET", "/api/v1/entries"),
        ("POST", "/api/v1/entries"),
        ("GET", f"/api/v1/entries/{uuid4()}"),
        ("POST", "/api/v1/search"),
        ("GET", "/api/v1/insights/overview"),
        ("GET", f"/api/v1/streams/{uuid4()}"),
    ):
        answer = await memory.api.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), path
