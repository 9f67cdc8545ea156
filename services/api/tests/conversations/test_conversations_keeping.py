"""Conversations as things: begun, listed, found, renamed, exported, deleted."""

from __future__ import annotations

import asyncio

import pytest
from shared.testing.openai_peer import Reply

PLUM = "We planted the plum tree behind the house."
URL = "/api/v1/conversations"


async def listed(talker, **query):
    answer = await talker.http.get(URL, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_conversation_is_titled_by_its_first_question(talker):
    conversation = await talker.begin()
    assert (await talker.read(conversation))["title"] == ""
    await talker.ask(conversation, "Where is\nthe   bicycle pump?")
    await talker.ask(conversation, "And the ladder?")
    assert (await talker.read(conversation))["title"] == "Where is the bicycle pump?"
    named = await talker.begin(title="  Tools ")
    await talker.ask(named, "Where is the bicycle pump?")
    assert (await talker.read(named))["title"] == "Tools"


async def test_messages_come_in_order_with_their_questions(talker):
    conversation = await talker.begin()
    for question in ("First?", "Second?", "Third?"):
        await talker.ask(conversation, question)
    messages = (await talker.read(conversation))["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"] * 3
    assert [message["content"] for message in messages[::2]] == ["First?", "Second?", "Third?"]


async def test_the_list_is_paged_with_the_last_used_first(talker):
    made = [await talker.begin(title=f"Talk {number}") for number in range(5)]
    await talker.ask(made[0], "Again?")
    expected = [made[0], *made[:0:-1]]
    seen, token = [], None
    while True:
        page = await listed(talker, page_size=2, **({"page_token": token} if token else {}))
        seen += [conversation["id"] for conversation in page["conversations"]]
        token = page["next_page_token"]
        if token is None:
            break
    assert seen == expected


async def test_conversations_are_found_by_title_and_by_what_was_said(house, talker):
    await talker.remember(PLUM)
    by_title = await talker.begin(title="매실나무 이야기 100%")
    by_content = await talker.begin(title="Other")
    house.peer.script(Reply("It grows by the 매실나무 wall."))
    await talker.ask(by_content, "Where is the plum tree?")
    await talker.begin(title="Nothing of the kind")
    found = await listed(talker, q="매실나무")
    assert {conversation["id"] for conversation in found["conversations"]} == {by_title, by_content}
    assert [one["id"] for one in (await listed(talker, q="100%"))["conversations"]] == [by_title]
    assert (await listed(talker, q="_"))["conversations"] == []
    page = await listed(talker, q="매실나무", page_size=1)
    wrong = await talker.http.get(URL, params={"q": "other", "page_token": page["next_page_token"]})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "page_token_invalid")


async def test_renaming_and_pointing_elsewhere(talker):
    conversation = await talker.begin()
    renamed = await talker.http.patch(f"{URL}/{conversation}", json={"title": "정원"})
    assert (renamed.status_code, renamed.json()["title"]) == (200, "정원")
    pointed = await talker.http.patch(f"{URL}/{conversation}", json={"space_ids": [talker.space_id]})
    assert (pointed.json()["title"], pointed.json()["space_ids"]) == ("정원", [talker.space_id])


async def test_a_deleted_conversation_is_gone(talker):
    conversation = await talker.begin()
    events = await talker.events(conversation, "Where?")
    assert (await talker.http.delete(f"{URL}/{conversation}")).status_code == 204
    assert (await talker.http.get(f"{URL}/{conversation}")).status_code == 404
    assert (await talker.http.delete(f"{URL}/{conversation}")).json()["code"] == "conversation_not_found"
    assert (await talker.http.get(f"/api/v1/streams/{events[0].data['stream_id']}")).status_code == 404


async def test_beginning_twice_with_one_key_begins_once(talker):
    headers = {"Idempotency-Key": "begin-1"}
    answers = [await talker.http.post(URL, json={"title": "One"}, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len((await listed(talker))["conversations"]) == 1


async def test_export_as_markdown_and_json(house, talker):
    await talker.remember(PLUM, title="Garden *notes*")
    house.peer.script(
        Reply('Behind the house [1: "behind the house"] or not [1: "on the moon"].'), Reply("a b", cut_after=1)
    )
    conversation = await talker.begin()
    await talker.ask(conversation, "Where is the plum tree?\nExactly?")
    await talker.events(conversation, "Where is the plum tree now?")
    markdown = await talker.http.get(f"{URL}/{conversation}/export")
    assert markdown.headers["content-type"].startswith("text/markdown")
    assert markdown.headers["content-disposition"].startswith("attachment")
    lines = markdown.text.splitlines()
    assert lines[0] == "# Where is the plum tree? Exactly?"
    assert "## Where is the plum tree?" in lines
    assert "Behind the house [1] or not [2]." in lines
    assert "1. Garden *notes*, 2026-03-01 “behind the house” (verified)" in lines
    assert "2. Garden *notes*, 2026-03-01 “on the moon” (not found in the entries)" in lines
    assert "(failed)" in lines
    exported = await talker.http.get(f"{URL}/{conversation}/export", params={"format": "json"})
    assert exported.json() == await talker.read(conversation)


@pytest.mark.parametrize(
    "body",
    [
        {"title": ""},
        {"title": "x" * 201},
        {"title": "a\u0000b"},
        {"title": 7},
        {"space_ids": ["not an id"]},
        {"space_ids": ["01a1fcf2-d32e-7cea-9ab1-0d4071d12a5b"] * 51},
        {"nmae": "typo"},
        [],
    ],
)
async def test_a_conversation_that_makes_no_sense_is_not_begun(talker, body):
    answer = await talker.http.post(URL, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"]
    assert (await listed(talker))["conversations"] == []


@pytest.mark.parametrize(
    "body", [{}, {"content": ""}, {"content": " \n "}, {"content": "x" * 8001}, {"content": "a\u0000"}, {"text": "hi"}]
)
async def test_a_question_that_makes_no_sense_is_not_stored(talker, body):
    conversation = await talker.begin()
    answer = await talker.http.post(f"{URL}/{conversation}/messages", json=body)
    assert answer.status_code == 422, answer.text
    assert (await talker.read(conversation))["messages"] == []


async def test_spaces_of_others_cannot_be_asked(house, talker):
    stranger = await house.sign_up(str(talker.http.base_url), "stranger")
    conversation = await talker.begin()
    for answer in (
        await talker.http.post(URL, json={"space_ids": [stranger.space_id]}),
        await talker.http.patch(f"{URL}/{conversation}", json={"space_ids": [stranger.space_id]}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "space_not_found")


async def test_nobody_is_let_in_without_a_token(talker):
    del talker.http.headers["Authorization"]
    for answer in (await talker.http.get(URL), await talker.http.post(URL, json={})):
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_program_that_asks_in_a_loop_is_slowed_down(house):
    talker = await house.sign_up(await house.open(MARU_RATE_LIMITS="on"))
    url = f"{URL}/{await talker.begin()}/messages"
    answers = await asyncio.gather(*(talker.http.post(url, json={"content": "Where?"}) for _ in range(60)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["code"] == "over_request_rate_limit"
    assert int(refused[0].headers["Retry-After"]) >= 1
