"""Models that fail: before a word, in the middle, or by what they say."""

from __future__ import annotations

import pytest
from shared.testing.openai_peer import Reply

PLUM = "We planted the plum tree behind the house."


@pytest.fixture
async def hasty(house):
    """Somebody at a gateway that waits two seconds for a model."""
    talker = await house.sign_up(await house.open(MARU_LLM_TIMEOUT_S="2"))
    await talker.remember(PLUM)
    return talker


@pytest.mark.parametrize(
    ("replies", "calls"),
    [
        ([Reply(status=429, headers={"Retry-After": "0"}), Reply("Behind.")], 2),
        ([Reply(status=500), Reply(status=503), Reply("Behind.")], 3),
        ([Reply("lost", cut_after=0), Reply("Behind.")], 2),
        ([Reply("too late", hold_after=0), Reply("Behind.")], 2),
    ],
    ids=["429", "500", "cut before a word", "stalled before a word"],
)
async def test_trouble_before_the_first_word_is_not_seen(house, hasty, replies, calls):
    house.peer.script(*replies)
    events = await hasty.events(await hasty.begin(), "Where is the plum tree?")
    assert events[-1].type == "done"
    assert events[-1].data["message"]["content"] == "Behind."
    assert len(house.peer.chats) == calls


@pytest.mark.parametrize(
    ("reply", "code", "kept"),
    [
        (Reply("one two three four", cut_after=2), "model_cut_off", "one two"),
        (Reply("one two three four", hold_after=2), "model_timeout", "one two"),
        (Reply("one two three four", error_after=2), "model_cut_off", "one two"),
        (Reply(lines=('{"choices":[{"delta":{"content":"one"}}]}', "{broken")), "model_output_invalid", "one"),
        (Reply("one two", finish_reason="content_filter"), "model_refused", "one two"),
    ],
    ids=["cut", "stall", "error event", "broken JSON", "content filter"],
)
async def test_trouble_in_the_middle_keeps_what_had_arrived(house, hasty, reply, code, kept):
    house.peer.script(reply)
    conversation = await hasty.begin()
    events = await hasty.events(conversation, "Where is the plum tree?")
    assert events[-1].type == "error"
    assert events[-1].data["code"] == code
    assert events[-1].data["detail"]
    message = (await hasty.read(conversation))["messages"][1]
    assert (message["status"], message["content"], message["error"]["code"]) == ("failed", kept, code)
    assert events[-1].data["message"] == message
    assert len(house.peer.chats) == 1

    house.peer.script(Reply("Behind the house."))
    again = await hasty.ask(conversation, "Where is the plum tree?")
    assert (again["status"], again["content"]) == ("done", "Behind the house.")


@pytest.mark.parametrize(
    ("reply", "code", "retryable", "calls"),
    [
        (Reply(status=401), "model_misconfigured", False, 1),
        (Reply(status=400), "model_request_rejected", False, 1),
        (Reply(status=429, code="insufficient_quota"), "model_quota_exhausted", False, 1),
        (Reply(status=429, headers={"Retry-After": "900"}), "model_rate_limited", True, 1),
        (Reply(status=500), "model_unavailable", True, 3),
        (Reply(refusal="I cannot help with that."), "model_refused", False, 1),
    ],
)
async def test_trouble_that_stays(house, hasty, reply, code, retryable, calls):
    house.peer.script(*[reply] * calls)
    conversation = await hasty.begin()
    events = await hasty.events(conversation, "Where is the plum tree?")
    assert [event.type for event in events] == ["start", "error"]
    assert (events[-1].data["code"], events[-1].data["retryable"]) == (code, retryable)
    assert len(house.peer.chats) == calls


async def test_without_a_stream_a_failure_is_a_problem_document(house, hasty):
    house.peer.script(Reply("one two three", cut_after=2))
    conversation = await hasty.begin()
    answer = await hasty.http.post(
        f"/api/v1/conversations/{conversation}/messages", json={"content": "Where is the plum tree?"}
    )
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["message"]["content"]) == ("model_cut_off", "one two")


async def test_a_failed_answer_is_not_kept_for_the_next_time(house, hasty):
    house.peer.script(Reply("one two three", cut_after=2))
    conversation = await hasty.begin()
    await hasty.events(conversation, "Where is the plum tree?")
    house.peer.script(Reply("Behind the house."))
    message = await hasty.ask(await hasty.begin(), "Where is the plum tree?")
    assert (message["content"], message["usage"]["cached"]) == ("Behind the house.", False)
