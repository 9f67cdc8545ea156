"""Spaces: who may see, share, rename, leave and delete them."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from shared.testing.identity import SignUp, Somebody

SPACES = "/api/v1/spaces"


async def shared_space(owner: Somebody, name: str = "우리 집") -> str:
    answer = await owner.http.post(SPACES, json={"name": name})
    assert answer.status_code == 201, answer.text
    space_id: str = answer.json()["id"]
    return space_id


async def let_in(owner: Somebody, space: str, somebody: Somebody, role: str) -> None:
    answer = await owner.http.post(f"{SPACES}/{space}/members", json={"email": somebody.email, "role": role})
    assert answer.status_code == 201, answer.text
    assert (answer.json()["user_id"], answer.json()["role"]) == (somebody.id, role)


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def roles(somebody: Somebody, space: str) -> dict[str, str]:
    members = (await somebody.http.get(f"{SPACES}/{space}/members")).json()["members"]
    return {member["user_id"]: member["role"] for member in members}


async def test_whoever_makes_a_space_owns_it(sign_up: SignUp) -> None:
    owner, stranger = await sign_up(), await sign_up("stranger")
    space = await shared_space(owner)
    read = (await owner.http.get(f"{SPACES}/{space}")).json()
    assert (read["name"], read["kind"], read["role"]) == ("우리 집", "shared", "owner")
    listed = (await owner.http.get(SPACES)).json()["spaces"]
    assert [row["id"] for row in listed] == [owner.space_id, space]
    assert [row["id"] for row in (await owner.http.get("/api/v1/me")).json()["spaces"]] == [owner.space_id, space]
    assert [row["id"] for row in (await stranger.http.get(SPACES)).json()["spaces"]] == [stranger.space_id]
    assert said(await stranger.http.get(f"{SPACES}/{space}")) == (404, "space_not_found")


async def test_a_member_sees_the_space_in_their_role(sign_up: SignUp) -> None:
    owner, editor, viewer = await sign_up("owner"), await sign_up("editor"), await sign_up("viewer")
    space = await shared_space(owner)
    await let_in(owner, space, editor, "editor")
    await let_in(owner, space, viewer, "viewer")
    for somebody, role in ((owner, "owner"), (editor, "editor"), (viewer, "viewer")):
        assert (await somebody.http.get(f"{SPACES}/{space}")).json()["role"] == role
        assert await roles(somebody, space) == {owner.id: "owner", editor.id: "editor", viewer.id: "viewer"}
    names = (await viewer.http.get(f"{SPACES}/{space}/members")).json()["members"]
    assert {row["user_id"]: (row["email"], row["display_name"]) for row in names}[owner.id] == (owner.email, "owner")


async def test_only_owners_manage(sign_up: SignUp) -> None:
    owner, stranger = await sign_up("owner"), await sign_up("stranger")
    space = await shared_space(owner)
    for role in ("editor", "viewer"):
        member = await sign_up(role)
        await let_in(owner, space, member, role)
        attempts = [
            await member.http.patch(f"{SPACES}/{space}", json={"name": "mine"}),
            await member.http.delete(f"{SPACES}/{space}"),
            await member.http.post(f"{SPACES}/{space}/members", json={"email": stranger.email}),
            await member.http.patch(f"{SPACES}/{space}/members/{member.id}", json={"role": "owner"}),
            await member.http.delete(f"{SPACES}/{space}/members/{owner.id}"),
        ]
        assert {said(answer) for answer in attempts} == {(403, "owners_only")}
    assert (await owner.http.get(f"{SPACES}/{space}")).json()["name"] == "우리 집"


async def test_owners_rename_promote_and_remove(sign_up: SignUp) -> None:
    owner, other = await sign_up("owner"), await sign_up("other")
    space = await shared_space(owner)
    assert (await owner.http.patch(f"{SPACES}/{space}", json={"name": " 새 집 "})).json()["name"] == "새 집"
    await let_in(owner, space, other, "viewer")
    promoted = await owner.http.patch(f"{SPACES}/{space}/members/{other.id}", json={"role": "owner"})
    assert promoted.json()["role"] == "owner"
    demoted = await other.http.patch(f"{SPACES}/{space}/members/{owner.id}", json={"role": "viewer"})
    assert demoted.json()["role"] == "viewer"
    assert (await other.http.delete(f"{SPACES}/{space}/members/{owner.id}")).status_code == 204
    assert said(await owner.http.get(f"{SPACES}/{space}")) == (404, "space_not_found")


async def test_members_leave_but_the_last_owner_stays(sign_up: SignUp) -> None:
    owner, editor = await sign_up("owner"), await sign_up("editor")
    space = await shared_space(owner)
    await let_in(owner, space, editor, "editor")
    assert said(await owner.http.delete(f"{SPACES}/{space}/members/{owner.id}")) == (409, "last_owner")
    demoting = await owner.http.patch(f"{SPACES}/{space}/members/{owner.id}", json={"role": "editor"})
    assert said(demoting) == (409, "last_owner")
    assert (await editor.http.delete(f"{SPACES}/{space}/members/{editor.id}")).status_code == 204
    assert said(await editor.http.get(f"{SPACES}/{space}")) == (404, "space_not_found")
    assert await roles(owner, space) == {owner.id: "owner"}


async def test_of_two_owners_who_leave_at_once_one_stays(sign_up: SignUp) -> None:
    for _ in range(5):
        one, two = await sign_up("one"), await sign_up("two")
        space = await shared_space(one)
        await let_in(one, space, two, "owner")
        answers = await asyncio.gather(
            *(somebody.http.delete(f"{SPACES}/{space}/members/{somebody.id}") for somebody in (one, two))
        )
        assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_a_personal_space_is_neither_shared_nor_deleted(sign_up: SignUp) -> None:
    owner, other = await sign_up("owner"), await sign_up("other")
    personal = f"{SPACES}/{owner.space_id}"
    for answer in (
        await owner.http.post(f"{personal}/members", json={"email": other.email}),
        await owner.http.delete(personal),
        await owner.http.delete(f"{personal}/members/{owner.id}"),
        await owner.http.patch(f"{personal}/members/{owner.id}", json={"role": "viewer"}),
    ):
        assert said(answer) == (409, "space_personal")
    assert (await owner.http.patch(personal, json={"name": "일기"})).json()["name"] == "일기"


async def test_the_database_itself_keeps_owners_and_personal_spaces(sign_up: SignUp, database_url: str) -> None:
    owner, other = await sign_up("owner"), await sign_up("other")
    space = await shared_space(owner)
    database = await asyncpg.connect(database_url)
    insert = "INSERT INTO maru.space_members (space_id, user_id, role) VALUES ($1, $2, 'viewer')"
    try:
        with pytest.raises(asyncpg.CheckViolationError):
            await database.execute(insert, owner.space_id, other.id)
        with pytest.raises(asyncpg.CheckViolationError):
            await database.execute("DELETE FROM maru.space_members WHERE space_id = $1", space)
        with pytest.raises(asyncpg.CheckViolationError):
            await database.execute("UPDATE maru.space_members SET role = 'editor' WHERE space_id = $1", space)
        await database.execute("DELETE FROM maru.spaces WHERE id = $1", space)
    finally:
        await database.close()


async def test_deleting_a_space_takes_everything_along_and_says_so(sign_up: SignUp, database_url: str) -> None:
    owner, editor = await sign_up("owner"), await sign_up("editor")
    space, kept = await shared_space(owner), await shared_space(owner, "남는 집")
    await let_in(owner, space, editor, "editor")
    for place in (space, kept):
        assert (await owner.http.post("/api/v1/people", json={"name": "민지", "space_id": place})).status_code == 201
        entry = await editor.http.post("/api/v1/entries", json={"kind": "note", "body": "글", "space_id": space})
        assert entry.status_code == 201, entry.text
    assert (await owner.http.delete(f"{SPACES}/{space}")).status_code == 204
    assert said(await owner.http.delete(f"{SPACES}/{space}")) == (404, "space_not_found")
    database = await asyncpg.connect(database_url)
    try:
        for table in ("space_members", "people", "entries", "entry_versions", "streams"):
            assert await database.fetchval(f"SELECT count(*) FROM maru.{table} WHERE space_id = $1", space) == 0, table
        assert await database.fetchval("SELECT count(*) FROM maru.people WHERE space_id = $1", kept) == 1
        event = await database.fetchrow("SELECT key, body FROM maru.outbox WHERE topic_or_queue = 'space.deleted'")
        assert event is not None
        assert event["key"] == space
        assert space in event["body"]
    finally:
        await database.close()


async def test_who_has_no_account_cannot_be_added(sign_up: SignUp) -> None:
    owner, other = await sign_up("owner"), await sign_up("other")
    space = await shared_space(owner)
    members = f"{SPACES}/{space}/members"
    assert said(await owner.http.post(members, json={"email": "nobody@example.com"})) == (404, "person_not_registered")
    assert said(await owner.http.post(members, json={"email": "no address"})) == (400, "validation_failed")
    await let_in(owner, space, other, "editor")
    assert said(await owner.http.post(members, json={"email": other.email.upper()})) == (409, "already_member")
    assert said(await owner.http.patch(f"{members}/{uuid4()}", json={"role": "viewer"})) == (404, "member_not_found")
    assert said(await owner.http.delete(f"{members}/{uuid4()}")) == (404, "member_not_found")


async def test_addresses_cannot_be_tried_in_bulk(sign_up: SignUp) -> None:
    owner = await sign_up("owner")
    space = await shared_space(owner)
    guesses = [{"email": f"guess-{n}@example.com"} for n in range(60)]
    answers = await asyncio.gather(*(owner.http.post(f"{SPACES}/{space}/members", json=guess) for guess in guesses))
    assert {answer.status_code for answer in answers} == {404, 429}


async def test_the_same_request_with_a_key_makes_one_space(sign_up: SignUp) -> None:
    owner, other = await sign_up("owner"), await sign_up("other")
    key = {"Idempotency-Key": "space-1"}
    answers = await asyncio.gather(*(owner.http.post(SPACES, json={"name": "하나"}, headers=key) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    (space,) = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len((await owner.http.get(SPACES)).json()["spaces"]) == 2
    assert said(await owner.http.post(SPACES, json={"name": "둘"}, headers=key)) == (422, "idempotency_key_reused")
    assert (await other.http.post(SPACES, json={"name": "하나"}, headers=key)).json()["id"] != space
    invitation = {"email": other.email, "role": "viewer"}
    added = [
        await owner.http.post(f"{SPACES}/{space}/members", json=invitation, headers={"Idempotency-Key": "m"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in added] == [201, 201]
    assert added[0].json() == added[1].json()


async def test_lists_come_in_pages_without_gap_or_repeat(sign_up: SignUp) -> None:
    owner = await sign_up("owner")
    made = [owner.space_id] + [await shared_space(owner, f"집 {n}") for n in range(5)]
    others = [await sign_up(f"member{n}") for n in range(4)]
    for other in others:
        await let_in(owner, made[1], other, "viewer")
    for path, field, key, expected in (
        (SPACES, "spaces", "id", made),
        (f"{SPACES}/{made[1]}/members", "members", "user_id", [owner.id, *(other.id for other in others)]),
    ):
        seen, token = [], ""
        while True:
            page = (
                await owner.http.get(path, params={"page_size": 2} | ({"page_token": token} if token else {}))
            ).json()
            seen += [row[key] for row in page[field]]
            token = page["next_page_token"]
            if token is None:
                break
        assert seen == expected
        assert (await owner.http.get(path, params={"page_token": "x"})).status_code == 400
    members = await owner.http.get(f"{SPACES}/{made[1]}/members", params={"page_size": 1})
    elsewhere = f"{SPACES}/{made[2]}/members"
    borrowed = await owner.http.get(elsewhere, params={"page_token": members.json()["next_page_token"]})
    assert said(borrowed) == (400, "page_token_invalid")


@pytest.mark.parametrize("name", ["", "   ", "x" * 121, "a\x00b", "a\nb", "\ud800", None, 7, "a\u202eb"])
async def test_an_unfit_name_is_refused_and_nothing_is_made(sign_up: SignUp, name: Any) -> None:
    import json

    owner = await sign_up("owner")
    headers = {"content-type": "application/json"}
    for method, path in (("POST", SPACES), ("PATCH", f"{SPACES}/{owner.space_id}"), ("POST", "/api/v1/people")):
        answer = await owner.http.request(method, path, content=json.dumps({"name": name}), headers=headers)
        assert said(answer) == (422, "invalid"), (method, path)
    assert len((await owner.http.get(SPACES)).json()["spaces"]) == 1


async def test_ones_own_profile_can_be_changed(sign_up: SignUp) -> None:
    somebody = await sign_up("before")
    changed = await somebody.http.patch("/api/v1/me", json={"display_name": "지우", "locale": "ko"})
    assert (changed.json()["user"]["display_name"], changed.json()["user"]["locale"]) == ("지우", "ko")
    kept = await somebody.http.patch("/api/v1/me", json={"locale": "en"})
    assert (kept.json()["user"]["display_name"], kept.json()["user"]["locale"]) == ("지우", "en")
    removed = await somebody.http.patch("/api/v1/me", json={"display_name": None})
    assert removed.json()["user"]["display_name"] is None
    for unfit in ({"locale": "fr"}, {"display_name": ""}, {"display_name": "a\nb"}):
        assert said(await somebody.http.patch("/api/v1/me", json=unfit)) == (422, "invalid")
