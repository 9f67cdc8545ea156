"""Questions after questions: what history does, and what asking again costs."""

from __future__ import annotations

import pytest
from shared.testing.openai_peer import Reply

PLUM = "We planted the plum tree behind the house. Grandmother held the ladder and sang."
CAT = "고양이 나비는 사월에 예방접종을 했다. 수의사는 시월에 다시 오라고 했다."


async def test_a_follow_up_is_understood_before_it_is_searched(house, talker):
    await talker.remember(CAT)
    conversation = await talker.begin()
    house.peer.script(Reply('사월이에요 [1: "사월에 예방접종을 했다"].'))
    await talker.ask(conversation, "나비는 예방접종을 언제 했지?")
    house.peer.script(Reply("나비의 다음 예방접종은 언제야?"), Reply('시월이에요 [1: "시월에 다시 오라고 했다"].'))

    message = await talker.ask(conversation, "그럼 다음은?")

    assert message["content"] == "시월이에요 [1]."
    assert [citation["state"] for citation in message["citations"]] == ["verified"]
    _, condensing, answering = house.peer.chats
    assert "나비는 예방접종을 언제 했지?" in condensing["messages"][1]["content"]
    assert [one["role"] for one in answering["messages"]] == ["system", "user", "assistant", "user"]
    assert answering["messages"][1]["content"] == "나비는 예방접종을 언제 했지?"
    assert message["usage"]["llm_calls"] == 2


@pytest.mark.parametrize("trouble", [Reply(status=400), Reply(""), Reply("half", cut_after=1)])
async def test_a_follow_up_that_cannot_be_condensed_is_searched_all_the_same(house, talker, trouble):
    await talker.remember(PLUM)
    conversation = await talker.begin()
    house.peer.script(Reply("Behind the house."), trouble, Reply("Grandmother did."))
    await talker.ask(conversation, "Where is the plum tree?")
    message = await talker.ask(conversation, "And who held it?")
    assert message["content"] == "Grandmother did."


async def test_asking_the_same_again_costs_nothing(house, talker):
    await talker.remember(PLUM)
    house.peer.script(Reply('Behind the house [1: "behind the house"].'))
    conversation = await talker.begin()
    first = await talker.events(conversation, "Where is the plum tree?")
    again = await talker.events(conversation, "  where is the PLUM tree")
    elsewhere = await talker.ask(await talker.begin(), "Where is the plum tree?")

    assert len(house.peer.chats) == 1
    before = first[-1].data["message"]
    for message in (again[-1].data["message"], elsewhere):
        assert (message["content"], message["citations"]) == (before["content"], before["citations"])
        assert message["usage"]["cached"] is True
        assert (message["usage"]["llm_calls"], message["usage"]["cost_micros"]) == (0, 0)
    assert [event.data for event in again if event.type == "citation"] == before["citations"]


async def test_a_repeated_follow_up_costs_nothing(house, talker):
    await talker.remember(PLUM)
    for _ in range(2):
        conversation = await talker.begin()
        house.peer.script(
            *([] if _ else [Reply("Behind the house."), Reply("Who held the ladder?"), Reply("Grandmother.")])
        )
        await talker.ask(conversation, "Where is the plum tree?")
        message = await talker.ask(conversation, "And who held it?")
        assert message["content"] == "Grandmother."
    assert len(house.peer.chats) == 3


async def test_new_evidence_is_a_new_question(house, talker):
    await talker.remember(PLUM)
    house.peer.script(Reply("Behind the house."), Reply("It was moved."))
    await talker.ask(await talker.begin(), "Where is the plum tree?")
    await talker.remember("The plum tree was moved to the gate.")
    message = await talker.ask(await talker.begin(), "Where is the plum tree?")
    assert message["content"] == "It was moved."


async def test_a_denied_question_is_another_question(house, talker):
    await talker.remember(PLUM)
    house.peer.script(Reply("Yes."), Reply("No."))
    await talker.ask(await talker.begin(), "Did we plant the plum tree?")
    message = await talker.ask(await talker.begin(), "Did we not plant the plum tree?")
    assert message["content"] == "No."


async def test_one_persons_answers_are_not_anothers(house, talker):
    other = await house.sign_up(str(talker.http.base_url), "minsu")
    for person in (talker, other):
        await person.remember(PLUM)
        await person.ask(await person.begin(), "Where is the plum tree?")
    assert len(house.peer.chats) == 2
