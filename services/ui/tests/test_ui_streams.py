"""Reading event streams: the wire format, cut connections, refusals, silence."""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui.core.api import problem_of
from ui.core.sse import Event, parse

_DATA = st.dictionaries(st.text(max_size=8), st.text(max_size=30) | st.integers(), max_size=4)


@given(_DATA, st.integers(min_value=1), st.sampled_from(["delta", "done", "step"]))
def test_an_event_is_read_as_it_was_written(data: dict[str, Any], number: int, kind: str) -> None:
    block = [f"id: {number}", f"event: {kind}", f"data: {json.dumps(data, ensure_ascii=True)}"]
    assert parse(block, "s") == Event(str(number), kind, data, "s")


@pytest.mark.parametrize("block", [[], [": keep-alive"], ["id: 3"], ["event: delta"]])
def test_comments_and_blocks_without_data_are_no_events(block: Sequence[str]) -> None:
    assert parse(block) is None


def test_data_over_several_lines_is_one_document() -> None:
    assert parse(["event: delta", 'data: {"text":', 'data: "a"}']) == Event("", "delta", {"text": "a"})


@pytest.mark.parametrize(
    ("status", "content", "headers", "code"),
    [
        (422, b'{"code":"weak_password","detail":"d","request_id":"r"}', {}, "weak_password"),
        (502, b"<html>bad gateway</html>", {}, "http_502"),
        (429, b"[]", {"retry-after": "30"}, "http_429"),
        (500, b"", {"x-request-id": "q"}, "http_500"),
    ],
)
def test_whatever_a_refusal_looks_like_it_is_a_problem(
    status: int, content: bytes, headers: dict[str, str], code: str
) -> None:
    problem = problem_of(status, content, headers)
    assert (problem.status, problem.code) == (status, code)
    assert problem.retry_after == int(headers.get("retry-after", "0"))


_FOLLOW = """
import sys, time
from ui.core import sse
from ui.core.api import Api
from ui.core.tokens import token_for
handle, conversation, question = sys.argv[1:]
stream = sse.Follow(f"/api/v1/conversations/{conversation}/messages", body={"content": question}, key="k1")
words, quiet, last = "", 0, ""
for event in sse.follow([stream], lambda: token_for(handle)):
    if event is None:
        quiet += 1
    elif event.type == "delta":
        words += event.data["text"]
    else:
        last = event.type
print(words); print(last); print(quiet)
"""


def _follow(stack: Any, who: Any, question: str) -> list[str]:
    conversation = who.http.post("/api/v1/conversations", json={}).json()["id"]
    command = [sys.executable, "-c", _FOLLOW, who.handle, conversation, question]
    env = {"MARU_API_URL": stack.peer.url, "PATH": ""}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


def test_a_stream_that_is_cut_is_taken_up_after_the_last_event(stack: Any, someone: Any) -> None:
    stack.control(cut_after=4, token_delay=0.0)
    words, last, _ = _follow(stack, someone, "long question")
    assert [word for word in words.split() if word.startswith("w")] == [f"w{n}" for n in range(words.count(" w"))]
    assert last == "done"


def test_silence_yields_to_the_page_several_times_a_second(stack: Any, someone: Any) -> None:
    stack.control(first_delay=1.2)
    _, last, quiet = _follow(stack, someone, "물음")
    assert last == "done"
    assert int(quiet) >= 5
