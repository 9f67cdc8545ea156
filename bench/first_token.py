"""The first token of an answer through the gateway beside the model endpoint called directly, with 200 streams open at once.

Streams begin one after another and last long enough that all are open at the same time. Ours searches, stores the question and
checks who asks before it calls the same endpoint.
"""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import urlsplit

from bench.figure import Figure, median, quantile
from bench.model_peer import peer_process
from bench.people import Somebody, somebody
from bench.processes import Running
from bench.product import product, search_until_found

_STREAMS = 200
_APART_S = 0.06
_TOKEN_MS = 520
_TOKENS = 24
_FIRST_TOKEN_MS = 100
_GOAL_P50_MS, _GOAL_P95_MS = 10.0, 25.0
_WORD = "Kettle"


def measure() -> list[Figure]:
    """Directly, through the gateway, directly again: the floor is the mean of both sides in time."""
    text = " ".join([_WORD] + ["on the stove"] * (_TOKENS // 3))
    arguments = ("--text", text, "--first-token-ms", str(_FIRST_TOKEN_MS), "--token-ms", str(_TOKEN_MS))
    with peer_process(*arguments) as peer, product(peer.env) as running, somebody(running.url) as person:
        questions = _prepare(person)
        direct = _direct(peer.base_url)
        ours = [_question(running.ports["api"], person.token, *question) for question in questions]
        floor = asyncio.run(_streams([direct] * (_STREAMS // 2)))
        asyncio.run(_streams(ours[:5]))
        process = Running(running.process, running.ports["api"], 0)
        before = process.cpu_s()
        times = asyncio.run(_streams(ours[5:]))
        cpu_ms = (process.cpu_s() - before) / _STREAMS * 1000
        floor += asyncio.run(_streams([direct] * (_STREAMS // 2)))
    return [
        _figure("p50", median(times), median(floor), _GOAL_P50_MS, cpu_ms),
        _figure("p95", quantile(times, 0.95), quantile(floor, 0.95), _GOAL_P95_MS, cpu_ms),
    ]


def _figure(which: str, ours: float, floor: float, goal: float, cpu_ms: float) -> Figure:
    added = ours - floor
    return Figure(
        f"first token, {_STREAMS} streams, {which}",
        ours,
        "ms",
        f"+ ≤ {goal:g} ms",
        added <= goal,
        "model directly",
        floor,
        ours / floor,
        note=f"+{added:.1f} ms; {cpu_ms:.0f} ms of processor time for each whole answer",
    )


def _prepare(person: Somebody) -> list[tuple[str, str]]:
    """A conversation and a question of its own for each stream, so that none is answered from the cache."""
    entry = person.post(
        "/api/v1/entries", {"kind": "note", "body": "주전자가 난로 위에 있다. The kettle is on the stove."}
    )
    search_until_found(person, "kettle", entry["id"])
    return [
        (person.post("/api/v1/conversations", {})["id"], f"Where is the kettle on day {number}?")
        for number in range(_STREAMS + 5)
    ]


def _direct(base_url: str) -> tuple[int, bytes]:
    address = urlsplit(base_url)
    body = {
        "model": "gpt-4.1-mini",
        "stream": True,
        "messages": [{"role": "user", "content": "Where is the kettle?" * 40}],
    }
    assert address.port is not None
    return address.port, _post(f"{address.path}/chat/completions", "sk-peer", body)


def _question(port: int, token: str, conversation: str, question: str) -> tuple[int, bytes]:
    return port, _post(f"/api/v1/conversations/{conversation}/messages", token, {"content": question})


def _post(path: str, token: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def _streams(wanted: list[tuple[int, bytes]]) -> list[float]:
    """Milliseconds from each request to its first word; all are read to their ends."""
    tasks = []
    for port, request in wanted:
        tasks.append(asyncio.create_task(_first_word(port, request)))
        await asyncio.sleep(_APART_S)
    return list(await asyncio.gather(*tasks))


async def _first_word(port: int, request: bytes) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.perf_counter()
    writer.write(request)
    received = b""
    while _WORD.encode() not in received:
        piece = await reader.read(65536)
        if not piece:
            raise ConnectionError(received[-300:].decode(errors="replace"))
        received += piece
    first = (time.perf_counter() - started) * 1000
    while piece and b"[DONE]" not in piece and b"event: done" not in piece:
        piece = await reader.read(65536)
    writer.close()
    return first
