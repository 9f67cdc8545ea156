"""What every service does the same way: problems, request ids, headers, limits, health."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from shared.errors import Conflict, Problem, TooManyRequests, Unavailable
from shared.http.access import AccessLog
from shared.http.app import create_app
from shared.settings import HttpSettings
from shared.telemetry import JsonFormatter

PAGE = "https://maru.example"


class LeaseLost(Conflict):
    code = "lease_lost"


class Note(BaseModel):
    text: str
    stars: int = 0


@asynccontextmanager
async def nothing_to_start(_: FastAPI) -> AsyncGenerator[None]:
    yield


router = APIRouter(prefix="/api/v1/notes", tags=["notes"])


@router.post("")
async def write(note: Note) -> Note:
    return note


@router.get("/lost/{number}")
async def lost(number: int) -> None:
    raise LeaseLost("Attempt 3 has it now.", attempt=number)


@router.post("/digest")
async def digest(note: Note) -> int:
    return len(note.text.encode())


@router.get("/busy")
async def busy() -> None:
    raise TooManyRequests(retry_after=1.2)


@router.get("/broken")
async def broken() -> None:
    raise RuntimeError("dear diary")


@router.get("/breaks-off")
async def breaks_off() -> StreamingResponse:
    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("dear diary")

    return StreamingResponse(half())


@router.get("/cached")
async def cached() -> StreamingResponse:
    async def content() -> AsyncIterator[bytes]:
        yield b"x"

    return StreamingResponse(content(), headers={"Cache-Control": "private, max-age=60"})


async def well() -> None:
    return None


async def away() -> None:
    raise ConnectionRefusedError("postgres://user:secret@host")


class Harness:
    def __init__(self, client: httpx.AsyncClient, log: list[AccessLog]) -> None:
        self.client = client
        self.log = log


@pytest.fixture
async def harness() -> AsyncGenerator[Harness]:
    log: list[AccessLog] = []
    app = create_app(
        "Test",
        settings=HttpSettings((PAGE,), rate_limits=True, secure_cookies=True),
        checks={"well": well, "away": away},
        lifespan=nothing_to_start,
        on_access=log.append,
        max_body_mib=1,
    )
    app.include_router(router)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Harness(client, log)


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["code"] == code
    assert document["type"].endswith(code)
    assert document["title"]
    assert document["detail"]
    assert document["request_id"] == answer.headers["x-request-id"] != ""
    return document


async def test_a_problem_keeps_its_code_detail_and_extra_fields(harness: Harness) -> None:
    document = assert_problem(await harness.client.get("/api/v1/notes/lost/7"), 409, "lease_lost")
    assert document["detail"] == "Attempt 3 has it now."
    assert document["attempt"] == 7


async def test_a_limit_says_how_long_to_wait_rounded_up(harness: Harness) -> None:
    answer = await harness.client.get("/api/v1/notes/busy")
    assert_problem(answer, 429, "over_request_rate_limit")
    assert answer.headers["retry-after"] == "2"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b'{"stars": 1}', "body.text"),
        (b'{"text": 1}', "body.text"),
        (b'{"text": "x", "stars": "many"}', "body.stars"),
        (b"[]", "body"),
        (b"{oops", "body"),
        (b"", "body"),
        (b"\xff\xfe", "body"),
    ],
)
async def test_a_body_that_does_not_fit_names_the_field(harness: Harness, content: bytes, field: str) -> None:
    answer = await harness.client.post("/api/v1/notes", content=content, headers={"content-type": "application/json"})
    document = assert_problem(answer, 422, "invalid")
    assert document["errors"][0]["field"] == field
    assert document["detail"].startswith(field)


async def test_half_a_character_is_refused_wherever_it_comes_to_light(harness: Harness) -> None:
    answer = await harness.client.post(
        "/api/v1/notes/digest", content=b'{"text": "\\ud800"}', headers={"content-type": "application/json"}
    )
    assert_problem(answer, 422, "text_not_unicode")


async def test_json_nested_to_exhaustion_is_refused(harness: Harness) -> None:
    answer = await harness.client.post(
        "/api/v1/notes", content=b"[" * 200_000, headers={"content-type": "application/json"}
    )
    assert_problem(answer, 400, "bad_request")


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_a_problem_whether_its_length_is_declared_or_not(
    harness: Harness, declared: bool
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b"x" * 100_000

    content: Any = b"x" * 1_200_000 if declared else pieces()
    answer = await harness.client.post("/api/v1/notes", content=content, headers={"content-type": "application/json"})
    document = assert_problem(answer, 413, "too_large")
    assert "uploads" in document["detail"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert harness.log[-1].error_code == "too_large"


async def test_unknown_addresses_and_methods_say_what_to_do(harness: Harness) -> None:
    assert "/docs" in assert_problem(await harness.client.get("/nope"), 404, "not_found")["detail"]
    answer = await harness.client.delete("/api/v1/notes")
    assert assert_problem(answer, 405, "method_not_allowed")["detail"] == "This address takes POST."
    assert answer.headers["allow"] == "POST"


async def test_what_nobody_foresaw_tells_nothing_but_keeps_id_headers_and_cors(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await harness.client.get(
            "/api/v1/notes/broken", headers={"origin": PAGE, "x-request-id": "my-request-1"}
        )
    assert assert_problem(answer, 500, "internal_error")["request_id"] == "my-request-1"
    assert "diary" not in answer.text
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert harness.log[-1].error_code == "internal_error"
    record = next(record for record in caplog.records if record.message == "unforeseen failure")
    line = json.loads(JsonFormatter("test").format(record))
    assert "RuntimeError" in line["exception"]
    assert "broken" in line["exception"]
    assert "diary" not in json.dumps(line)


async def test_an_answer_that_breaks_off_does_not_pass_for_complete(harness: Harness) -> None:
    with pytest.raises(RuntimeError):
        await harness.client.get("/api/v1/notes/breaks-off")
    assert harness.log[-1].endpoint == "/api/v1/notes/breaks-off"


@pytest.mark.parametrize(
    ("sent", "kept"), [("abcd-1234", True), ("short", False), ("a" * 65, False), ("line\tbreak-in-it", False)]
)
async def test_a_request_id_is_taken_over_when_it_is_harmless(harness: Harness, sent: str, kept: bool) -> None:
    answer = await harness.client.get("/health", headers={"x-request-id": sent})
    assert (answer.headers["x-request-id"] == sent) is kept
    assert len(answer.headers["x-request-id"]) >= 8


async def test_the_access_log_names_routes_and_not_things(harness: Harness) -> None:
    await harness.client.get("/api/v1/notes/lost/42?secret=1")
    await harness.client.get("/health")
    (only,) = harness.log
    assert only.endpoint == "/api/v1/notes/lost/{number}"
    assert (only.method, only.status_code, only.error_code) == ("GET", 409, "lease_lost")
    assert only.response_time_ms >= 0


async def test_every_answer_carries_security_headers_and_a_route_may_set_its_own(harness: Harness) -> None:
    for path in ("/health", "/api/v1/notes/lost/1", "/nope", "/openapi.json", "/docs"):
        headers = (await harness.client.get(path)).headers
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "max-age" in headers["strict-transport-security"]
        assert "server" not in headers
    assert (await harness.client.get("/api/v1/notes/cached")).headers["cache-control"] == "private, max-age=60"


async def test_only_listed_pages_may_call_from_a_browser(harness: Harness) -> None:
    preflight = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "idempotency-key,authorization",
    }
    ours = await harness.client.options("/api/v1/notes", headers={"origin": PAGE, **preflight})
    assert ours.status_code == 200
    assert ours.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in ours.headers
    theirs = await harness.client.options("/api/v1/notes", headers={"origin": "https://evil.example", **preflight})
    assert theirs.status_code == 400
    assert "access-control-allow-origin" not in theirs.headers
    look_alike = await harness.client.get("/health", headers={"origin": PAGE + ".evil.example"})
    assert "access-control-allow-origin" not in look_alike.headers


async def test_health_asks_nobody_and_ready_asks_everybody(harness: Harness) -> None:
    assert (await harness.client.get("/health")).json() == {"status": "ok"}
    answer = await harness.client.get("/health/ready")
    assert answer.status_code == 503
    dependencies = answer.json()["dependencies"]
    assert dependencies["well"]["status"] == "ok"
    assert dependencies["well"]["latency_ms"] >= 0
    assert dependencies["away"] == {
        "status": "away",
        "error": "ConnectionRefusedError",
        "latency_ms": dependencies["away"]["latency_ms"],
    }
    assert "secret" not in answer.text


async def test_openapi_says_what_problems_really_look_like(harness: Harness) -> None:
    document = (await harness.client.get("/openapi.json")).json()
    responses = document["paths"]["/api/v1/notes"]["post"]["responses"]
    assert list(responses["4XX"]["content"]) == ["application/problem+json"]
    assert list(responses["503"]["content"]) == ["application/problem+json"]
    assert list(responses["200"]["content"]) == ["application/json"]
    assert "422" not in responses


async def test_two_requests_at_once_keep_their_own_ids(harness: Harness) -> None:
    ids = [f"request-{number:04}" for number in range(20)]
    answers = await asyncio.gather(
        *(harness.client.get("/api/v1/notes/lost/1", headers={"x-request-id": one}) for one in ids)
    )
    assert [answer.json()["request_id"] for answer in answers] == ids


def test_each_base_problem_is_distinct_and_complete() -> None:
    kinds = [kind for kind in Problem.__subclasses__() if kind.__module__ == "shared.errors"]
    assert len({kind.status for kind in kinds}) == len(kinds) == 10
    for kind in kinds:
        problem = kind(retry_after=1) if kind is TooManyRequests else kind()
        document = problem.document("request-1")
        assert document["status"] == kind.status
        assert document["code"] == kind.code
        assert len(document["detail"]) > 10
    assert Unavailable().headers["Retry-After"] == "2"
    assert Unavailable(retry_after=0.2).headers["Retry-After"] == "1"


def test_extra_fields_cannot_overwrite_the_problem_itself() -> None:
    assert Conflict("no", status=200, code="fine").document("r")["status"] == 409
    assert Conflict("no", status=200, code="fine").document("r")["code"] == "conflict"
