"""A question asked again over unchanged entries: no call of a model, and how long it takes."""

from __future__ import annotations

import time

from shared.testing.openai_peer import RecordedRequest

from bench.figure import Figure, median
from bench.model_peer import counting_peer
from bench.people import Somebody, somebody
from bench.product import product, search_until_found

_REPEATS = 20
_GOAL_MS = 50


def measure() -> list[Figure]:
    """The same question in new conversations, so that no history makes it another question; the model counts its calls."""
    with counting_peer() as (peer, seen), product(peer.env) as running, somebody(running.url) as person:
        entry = person.post(
            "/api/v1/entries", {"kind": "note", "body": "지우는 화요일에 피아노를 친다. Jiwoo plays on Tuesday."}
        )
        search_until_found(person, "피아노", entry["id"])
        _ask(person, "누가 화요일에 무엇을 하나?")
        first_ms = _ask(person, "지우는 언제 피아노를 치나?")
        before = _chats(seen.requests)
        again_ms = median([_ask(person, "지우는 언제 피아노를 치나?") for _ in range(_REPEATS)])
        calls = _chats(seen.requests) - before
    return [
        Figure("repeat of a question: model calls", calls, "calls", "0", calls == 0),
        Figure(
            "repeat of a question",
            again_ms,
            "ms",
            f"≤ {_GOAL_MS} ms",
            again_ms <= _GOAL_MS,
            "first time",
            first_ms,
            again_ms / first_ms,
        ),
    ]


def _chats(requests: list[RecordedRequest]) -> int:
    return sum(request.path.endswith("/chat/completions") for request in requests)


def _ask(person: Somebody, question: str) -> float:
    conversation = person.post("/api/v1/conversations", {})
    started = time.perf_counter()
    person.post(f"/api/v1/conversations/{conversation['id']}/messages", {"content": question})
    return (time.perf_counter() - started) * 1000
