"""Questions over one's own entries where no model is configured."""

from __future__ import annotations

import pytest

PLUM = "We planted the plum tree behind the house. Grandmother held the ladder and sang."
BIRTHDAY = "지우의 첫 번째 생일이었다. 미역국을 끓이고 돌잡이에서 붓을 잡았다. 할머니가 [7] 시에 오셨다."


@pytest.fixture
async def offline(house):
    return await house.sign_up(await house.open(model=False))


@pytest.mark.parametrize(
    ("question", "source"),
    [("Where did we plant the plum tree?", PLUM), ("지우는 돌잡이에서 무엇을 잡았지?", BIRTHDAY)],
)
async def test_an_answer_is_made_of_the_entries_own_sentences(house, offline, question, source):
    entries = {PLUM: await offline.remember(PLUM), BIRTHDAY: await offline.remember(BIRTHDAY)}
    events = await offline.events(await offline.begin(), question)

    message = events[-1].data["message"]
    assert message["provider"] == "offline"
    assert message["status"] == "done"
    assert message["usage"]["llm_calls"] == 0
    assert message["citations"]
    for citation in message["citations"]:
        assert citation["state"] == "verified"
        assert citation["entry_id"] == entries[source]
        assert source[citation["start"] : citation["end"]] == citation["quote"]
        assert f"[{citation['n']}]" in message["content"]
    assert house.peer.requests == []


async def test_without_evidence_it_says_so_in_the_questions_language(offline):
    await offline.remember(PLUM)
    conversation = await offline.begin()
    korean = await offline.ask(conversation, "고양이 예방접종은 언제 했지?")
    english = await offline.ask(conversation, "What is the capital of Mongolia?")
    assert korean["content"] == "기록에서 그에 대한 내용을 찾지 못했어요."
    assert english["content"] == "I found nothing about that in your entries."
    for message in (korean, english):
        assert (message["status"], message["citations"], message["usage"]["refused"]) == ("done", [], True)


async def test_a_number_in_brackets_in_an_entry_does_not_become_a_citation(offline):
    await offline.remember(BIRTHDAY)
    message = await offline.ask(await offline.begin(), "할머니가 지우의 생일에 몇 시에 오셨지?")
    assert "[7]" not in message["content"]
    assert "(7)" in message["content"]


async def test_a_follow_up_is_searched_with_the_question_before_it(offline):
    await offline.remember(PLUM)
    conversation = await offline.begin()
    await offline.ask(conversation, "Where did we plant the plum tree?")
    message = await offline.ask(conversation, "And who held it?")
    assert "Grandmother held the ladder" in message["content"]
