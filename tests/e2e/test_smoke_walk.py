"""`maru smoke` on the running product, and on one with something broken in front of it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from maru.postgres import EmbeddedPostgres
from maru.smoke import Options, Report, walk_through
from shared.testing.serving import served
from shared.testing.supabase_peer import ANON_KEY, run_supabase_peer
from shared.testing.waiting import eventually
from starlette.requests import Request
from starlette.responses import Response

pytestmark = pytest.mark.serial

PASSWORD = "a long enough phrase for tests"
Change = Callable[[Request, bytes], Response | bytes | None]


@dataclass
class Front:
    """Passes requests on to the product, except where `change` says otherwise: an answer of its own, or another body of the real one."""

    target: str
    change: Change
    before: bool = True
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=60, trust_env=False))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return None
        request = Request(scope, receive)
        body = await request.body()
        if self.before and isinstance(answer := self.change(request, b""), Response):
            return await answer(scope, receive, send)
        kept = {name: value for name, value in request.headers.items() if name not in {"host", "accept-encoding"}}
        real = await self.client.request(
            request.method, f"{self.target}{request.url.path}?{request.url.query}", headers=kept, content=body
        )
        changed = None if self.before else self.change(request, real.content)
        if isinstance(changed, Response):
            return await changed(scope, receive, send)
        headers = {
            name: real.headers[name] for name in ("content-type", "location", "retry-after") if name in real.headers
        }
        content = real.content if changed is None else changed
        return await Response(content, real.status_code, headers)(scope, receive, send)


@asynccontextmanager
async def fronted(product: Any, change: Change, *, before: bool = True) -> AsyncGenerator[str]:
    front = Front(product.api_url, change, before)
    async with served(front) as url:
        yield url
    await front.client.aclose()


def worker_token(product: Any) -> str:
    made = product.command("worker", "token", "create", "--name", "smoke")
    assert made.returncode == 0, made.stderr
    return str(made.stdout.strip())


def accounts(product: Any) -> int:
    """People of this product whom a walk has made."""
    with psycopg.connect(EmbeddedPostgres(product.home).dsn()) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM idp.users WHERE email LIKE 'smoke%') + (SELECT count(*) FROM maru.profiles WHERE email LIKE 'smoke%')"
        ).fetchone()
        assert row is not None
        return int(row[0])


def by_name(report: Report) -> dict[str, str]:
    return {outcome.name: outcome.state for outcome in report.outcomes}


def test_every_step_passes_on_the_product_and_nothing_stays(product: Any) -> None:
    argv = ["smoke", "--api-url", product.api_url, "--inference-url", f"http://127.0.0.1:{product.ports['inference']}"]
    product.env["MARU_WORKER_TOKEN"] = worker_token(product)
    try:
        walked = product.command(*argv, "--ui-url", product.ui_url, "--json", timeout=180)
    finally:
        del product.env["MARU_WORKER_TOKEN"]
    document = json.loads(walked.stdout)
    assert [step for step in document["steps"] if step["state"] != "passed"] == []
    assert (walked.returncode, document["ok"]) == (0, True)
    names = [step["name"] for step in document["steps"]]
    assert names[-2:] == ["traces removed", "account removed"]
    assert {"answered, cited", "photo kept", "job done", "results fetched", "web app answers"} <= set(names)
    assert accounts(product) == 0


def test_an_account_that_is_given_is_used_and_stays_without_what_was_written(product: Any) -> None:
    email = f"{uuid4().hex[:10]}@maru.example"
    product.command("admin", "create", email, "--password-stdin", stdin=PASSWORD + "\n")
    walked = product.command(
        "smoke", product.api_url, "--email", email, "--password-stdin", stdin=PASSWORD + "\n", timeout=180
    )
    assert walked.returncode == 0, walked.stdout
    assert "– job done" in walked.stdout
    assert "no worker online" in walked.stdout
    with httpx.Client(base_url=product.api_url, trust_env=False, timeout=30) as client:
        credentials = {"email": email, "password": PASSWORD}
        session = client.post("/auth/v1/token", params={"grant_type": "password"}, json=credentials).json()
        client.headers["authorization"] = f"Bearer {session['access_token']}"
        assert client.get("/api/v1/entries").json()["entries"] == []
        assert client.get("/api/v1/conversations").json()["conversations"] == []
        assert client.get("/api/v1/uploads").json()["total"] == 0


def answers(path: str, status: int, body: Any = None, method: str = "") -> Change:
    """Another answer to one route, without asking the product."""

    def change(request: Request, _: bytes) -> Response | None:
        if request.url.path.endswith(path) and method in ("", request.method):
            return Response(json.dumps(body or {"detail": "out of order"}), status, media_type="application/json")
        return None

    return change


def swaps(path: str, old: bytes, new: bytes) -> Change:
    """The product's own answer with something else in it."""
    return lambda request, content: content.replace(old, new) if request.url.path.endswith(path) else None


BROKEN: dict[str, tuple[Change, bool, str, str]] = {
    "nobody": (answers("/health", 404, {"detail": "no such page"}), True, "api answers", "answered 404: no such page"),
    "vectors": (
        answers("/health/ready", 503, {"dependencies": {"vectors": {"status": "away"}, "database": {"status": "ok"}}}),
        True,
        "api is ready",
        "away from it: vectors",
    ),
    "closed": (answers("/signup", 422, {"message": "Signups not allowed"}), True, "signed in", "--email and --password-stdin"),
    "lost": (answers("/signup", 502), False, "signed in", "Sign-up answered 502"),
    "events": (swaps("/events", b"event: done", b"event: failed"), False, "understood, live", "ended as failed"),
    "shape": (answers("/api/v1/search", 200, {"results": []}, "POST"), True, "found", "not the promised shape (KeyError"),
    "quote": (swaps("", b'"state":"verified"', b'"state":"missing"'), False, "answered, cited", "cites no passage"),
    "thumbnail": (answers("/thumbnail", 500), True, "photo kept", "instead of pointing to the file: out of order"),
    "digest": (swaps("/complete", b'"sha256":"', b'"sha256":"0'), False, "file stored", "another digest"),
    "logout": (answers("/logout", 204), True, "signed out", "could be renewed"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BROKEN))
async def test_what_is_broken_is_told_in_a_sentence_and_everything_made_is_gone(name: str, product: Any) -> None:
    change, before, step, sentence = BROKEN[name]
    told: list[str] = []
    async with fronted(product, change, before=before) as url:
        report = await walk_through(Options(url), lambda outcome: told.append(outcome.line()))
    assert not report.well
    (failed,) = [outcome for outcome in report.outcomes if outcome.name == step]
    assert failed.state == "failed"
    assert sentence in failed.note
    assert "Look at " in failed.note
    assert f"✗ {step}" in "\n".join(told)
    others = {
        "shape": {"document understood", "traces removed"},
        "events": {"document understood", "photo kept"},
        "digest": {"photo kept"},
    }
    wrong = {outcome.name for outcome in report.outcomes if outcome.state == "failed"}
    assert wrong <= {step} | others.get(name, set())
    assert accounts(product) == 0


async def test_a_key_that_is_not_honoured_is_found_and_both_entries_go(product: Any) -> None:
    def forget_key(request: Request, _: bytes) -> None:
        request.scope["headers"] = [pair for pair in request.scope["headers"] if pair[0] != b"idempotency-key"]
        if hasattr(request, "_headers"):
            del request._headers

    async with fronted(product, forget_key) as url:
        report = await walk_through(Options(url), lambda _: None)
    states = by_name(report)
    assert (states["written in Korean"], states["written in English"]) == ("failed", "failed")
    assert (states["understood, live"], states["traces removed"]) == ("skipped", "passed")
    assert accounts(product) == 0


async def test_a_step_ends_when_its_time_is_up(product: Any) -> None:
    async def never(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await asyncio.Event().wait()
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})

    async with served(never) as silent:
        report = await walk_through(Options(product.api_url, ui_url=silent, patience=0.1), lambda _: None)
    (failed,) = [outcome for outcome in report.outcomes if outcome.name == "web app answers"]
    assert "not done within 3 s. Look at logs of ui" in failed.note
    assert accounts(product) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
async def test_an_interrupted_walk_takes_its_traces_along(number: signal.Signals, product: Any) -> None:
    searched = asyncio.Event()

    def stall(request: Request, _: bytes) -> None:
        if request.url.path.endswith("/api/v1/search"):
            searched.set()

    async with fronted(product, stall) as url:
        argv = [sys.executable, "-m", "maru", "smoke", url, "--json"]
        walking = await asyncio.create_subprocess_exec(*argv, env=product.variables, stdout=subprocess.PIPE)
        await eventually(searched.is_set, within=60)
        walking.send_signal(number)
        said, _ = await asyncio.wait_for(walking.communicate(), 60)
    document = json.loads(said)
    assert walking.returncode == 130
    assert document["interrupted"] is True
    assert [step["name"] for step in document["steps"]][-2:] == ["traces removed", "account removed"]
    assert accounts(product) == 0


def test_a_host_that_does_not_answer_fails_the_first_step_and_skips_the_rest(product: Any) -> None:
    walked = product.command("smoke", "http://127.0.0.1:1")
    assert walked.returncode == 1
    assert "http://127.0.0.1:1 does not answer GET /health (ConnectError)" in walked.stdout
    assert "– written in Korean" in walked.stdout
    assert "Traceback" not in walked.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Which Maru?"),
        (["example.com"], "write it with http"),
        (["http://h", "--email", "a@b.example"], "needs both: --email"),
    ],
    ids=["nothing", "address", "password"],
)
def test_what_makes_no_sense_is_refused_before_the_walk(arguments: list[str], sentence: str, product: Any) -> None:
    refused = product.command("smoke", *arguments)
    assert refused.returncode == 1
    assert sentence in refused.stderr


def test_where_people_sign_up_elsewhere_the_walk_says_so_and_takes_an_account_that_is_given(new_product: Any) -> None:
    with run_supabase_peer() as supabase:
        apikey = {"apikey": ANON_KEY}
        credentials = {"email": "trial@maru.example", "password": PASSWORD}
        httpx.post(
            f"{supabase.url}/auth/v1/signup", json=credentials, headers=apikey, trust_env=False
        ).raise_for_status()
        product = new_product(env={"SUPABASE_URL": supabase.url, "SUPABASE_ANON_KEY": ANON_KEY}).start()
        without = product.command("smoke", product.api_url)
        assert without.returncode == 1
        assert "✗ signed in" in without.stdout
        assert "give --email and --password-stdin" in without.stdout
        product.env |= {"MARU_SMOKE_EMAIL": "trial@maru.example", "MARU_SMOKE_PASSWORD": PASSWORD}
        walked = product.command("smoke", product.api_url, timeout=180)
        assert walked.returncode == 0, walked.stdout
        assert "– signed out" in walked.stdout
        assert "✓ traces removed" in walked.stdout
        assert "account removed" not in walked.stdout
