"""People that entries are about."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from shared.testing.identity import SignUp, Somebody

PEOPLE = "/api/v1/people"


async def shared_with(owner: Somebody, member: Somebody, role: str) -> str:
    space: str = (await owner.http.post("/api/v1/spaces", json={"name": "우리"})).json()["id"]
    added = await owner.http.post(f"/api/v1/spaces/{space}/members", json={"email": member.email, "role": role})
    assert added.status_code == 201, added.text
    return space


async def test_a_person_is_made_read_changed_and_deleted(sign_up: SignUp) -> None:
    somebody = await sign_up()
    made = await somebody.http.post(PEOPLE, json={"name": " 민지 ", "birth_date": "2015-03-02", "relation": "딸"})
    assert made.status_code == 201, made.text
    person = made.json()
    assert (person["name"], person["space_id"]) == ("민지", somebody.space_id)
    path = f"{PEOPLE}/{person['id']}"
    assert (await somebody.http.get(path)).json() == person
    changed = (await somebody.http.patch(path, json={"name": "민지야", "relation": None})).json()
    assert (changed["name"], changed["relation"], changed["birth_date"]) == ("민지야", None, "2015-03-02")
    assert changed["updated_at"] > person["updated_at"]
    assert (await somebody.http.patch(path, json={})).json()["name"] == "민지야"
    assert (await somebody.http.delete(path)).status_code == 204
    for gone in (
        await somebody.http.get(path),
        await somebody.http.patch(path, json={}),
        await somebody.http.delete(path),
    ):
        assert (gone.status_code, gone.json()["code"]) == (404, "person_not_found")


async def test_deleting_a_person_leaves_the_entries_about_them(sign_up: SignUp) -> None:
    somebody = await sign_up()
    person = (await somebody.http.post(PEOPLE, json={"name": "민지"})).json()["id"]
    body = {"kind": "note", "body": "민지와 산책", "person_id": person}
    entry = (await somebody.http.post("/api/v1/entries", json=body)).json()
    assert entry["person_id"] == person
    assert (await somebody.http.delete(f"{PEOPLE}/{person}")).status_code == 204
    kept = (await somebody.http.get(f"/api/v1/entries/{entry['id']}")).json()
    assert (kept["person_id"], kept["body"]) == (None, "민지와 산책")


async def test_a_shared_space_shows_its_people_to_members_and_viewers_only_look(sign_up: SignUp) -> None:
    owner, editor, viewer, stranger = [await sign_up(name) for name in ("owner", "editor", "viewer", "stranger")]
    space = await shared_with(owner, editor, "editor")
    await owner.http.post(f"/api/v1/spaces/{space}/members", json={"email": viewer.email, "role": "viewer"})
    made = await editor.http.post(PEOPLE, json={"name": "민지", "space_id": space})
    assert made.status_code == 201, made.text
    path = f"{PEOPLE}/{made.json()['id']}"
    for member in (owner, editor, viewer):
        assert (await member.http.get(path)).status_code == 200
        assert len((await member.http.get(PEOPLE, params={"space_id": space})).json()["people"]) == 1
    for answer in (
        await viewer.http.post(PEOPLE, json={"name": "x", "space_id": space}),
        await viewer.http.patch(path, json={"name": "x"}),
        await viewer.http.delete(path),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "space_read_only")
    for answer in (
        await stranger.http.get(path),
        await stranger.http.patch(path, json={"name": "x"}),
        await stranger.http.delete(path),
        await stranger.http.post(PEOPLE, json={"name": "x", "space_id": space}),
        await stranger.http.get(PEOPLE, params={"space_id": space}),
    ):
        assert answer.status_code == 404
    assert (await stranger.http.get(PEOPLE)).json()["people"] == []
    assert (await owner.http.get(path)).json()["name"] == "민지"


async def test_people_come_in_pages_by_name(sign_up: SignUp) -> None:
    somebody = await sign_up()
    names = ["가을", "나라", "나라", "다솜", "👩‍👧 Kim", "👩‍👧 Lee", "Bob", "Alice"]
    for name in names:
        await somebody.http.post(PEOPLE, json={"name": name})
    whole = [row["id"] for row in (await somebody.http.get(PEOPLE)).json()["people"]]
    seen: list[str] = []
    token = None
    while True:
        params = {"page_size": 2} | ({"page_token": token} if token else {})
        page = (await somebody.http.get(PEOPLE, params=params)).json()
        seen += [row["id"] for row in page["people"]]
        token = page["next_page_token"]
        if token is None:
            break
        assert len(page["people"]) == 2
    assert seen == whole
    assert len(set(seen)) == len(names)


def token_of(*position: Any) -> str:
    """A page token with a right checksum and a wrong position."""
    import hashlib

    digest = hashlib.sha256(json.dumps([None], default=str).encode()).hexdigest()[:12]
    return base64.urlsafe_b64encode(json.dumps([digest, *position]).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    ["x", "a" * 500, "%00", token_of("민지", "not an id"), token_of("a\x00", "0190a8a0-0000-7000-8000-000000000000"), token_of("민지"),
     token_of(1, 2), token_of("\ud800", "0190a8a0-0000-7000-8000-000000000000")],
)  # fmt: skip
async def test_a_forged_page_token_is_refused(sign_up: SignUp, token: str) -> None:
    answer = await (await sign_up()).http.get(PEOPLE, params={"page_token": token})
    assert (answer.status_code, answer.json()["code"]) == (400, "page_token_invalid")


@pytest.mark.parametrize(
    "body",
    [{}, {"name": None}, {"name": "민지", "birth_date": "soon"}, {"name": "민지", "birth_date": "0001-01-01"}, {"name": "민지", "space_id": "x"},
     {"name": "민지", "relation": ""}, {"name": "민지", "relation": "x" * 121}, []],
)  # fmt: skip
async def test_an_unfit_person_is_refused(sign_up: SignUp, body: Any) -> None:
    somebody = await sign_up()
    answer = await somebody.http.post(PEOPLE, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["errors"]
    person = (await somebody.http.post(PEOPLE, json={"name": "그대로"})).json()
    if body and "space_id" not in body:
        changed = await somebody.http.patch(f"{PEOPLE}/{person['id']}", json=body)
        assert changed.status_code == 422
    assert [row["name"] for row in (await somebody.http.get(PEOPLE)).json()["people"]] == ["그대로"]


async def test_the_same_request_with_a_key_makes_one_person(sign_up: SignUp) -> None:
    somebody = await sign_up()
    key = {"Idempotency-Key": "person-1"}
    first, again = [await somebody.http.post(PEOPLE, json={"name": "민지"}, headers=key) for _ in range(2)]
    assert (first.status_code, again.status_code, first.json()) == (201, 201, again.json())
    assert len((await somebody.http.get(PEOPLE)).json()["people"]) == 1
