"""The commands' client against a server that answers as it is told, and an evaluation against a small product of memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from maru.api_client import Refused, api_client
from maru.commands.evaluate import evaluate_and_say
from maru.commands.seed import seed_and_say
from maru.demo.household import PEOPLE, household, now
from maru.demo.pictures import SCENES, render
from maru.evaluation import measure
from maru.evaluation.measure import FOREIGN
from maru.evaluation.throwaway import own_environment
from shared.evaluation import load_dataset
from shared.testing.serving import served

Reply = tuple[int, Any]
Asked = tuple[str, str, dict[str, Any], dict[str, str]]


class Peer:
    """A server whose answers are given by a function of method, path, body and headers."""

    def __init__(self, answer: Callable[[str, str, dict[str, Any], dict[str, str]], Reply]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        given = json.loads(body) if headers.get("content-type") == "application/json" else {"raw": body}
        self.asked.append((scope["method"], scope["path"], given, headers))
        status, reply = self.answer(*self.asked[-1])
        sent = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        extra = [(b"retry-after", b"0")] if status == 429 else []
        await send({"type": "http.response.start", "status": status, "headers": extra})
        await send({"type": "http.response.body", "body": sent})


async def test_an_account_that_exists_is_signed_in_to() -> None:
    def answer(method: str, path: str, *_: Any) -> Reply:
        return (422, {"message": "taken"}) if path.endswith("signup") else (200, {"access_token": "t1"})

    peer = Peer(answer)
    async with served(peer) as url, api_client(url) as api:
        await api.sign_up_or_in("a@maru.example", "secret", "A")
        await api.ask("GET", "/api/v1/me")
    assert [path for _, path, _, _ in peer.asked] == ["/auth/v1/signup", "/auth/v1/token", "/api/v1/me"]
    assert peer.asked[-1][3]["authorization"] == "Bearer t1"


async def test_a_wrong_password_is_refused_with_the_products_words() -> None:
    peer = Peer(lambda _m, path, *_: (422, {}) if path.endswith("signup") else (400, {"message": "Invalid login"}))
    async with served(peer) as url, api_client(url) as api:
        with pytest.raises(Refused, match=r"a@maru\.example cannot sign in: Invalid login"):
            await api.sign_up_or_in("a@maru.example", "wrong", "A")


@pytest.mark.parametrize("reply", [(404, b"<html>"), (405, b""), (200, b"<html>"), (200, []), (502, b"Bad gateway")])
async def test_a_server_that_is_no_maru_is_refused_in_a_sentence(reply: Reply) -> None:
    said: list[str] = []
    async with served(Peer(lambda *_: reply)) as url:
        assert await seed_and_say(url, said.append) is False
    assert said[-1].startswith("maru: the demo could not be written")


async def test_a_rate_limit_is_waited_out() -> None:
    answers = iter([(429, {}), (429, {}), (200, {"id": "x"})])
    peer = Peer(lambda *_: next(answers))
    async with served(peer) as url, api_client(url) as api:
        assert await api.ask("POST", "/api/v1/entries", json={}) == {"id": "x"}
    assert len(peer.asked) == 3


async def test_any_other_error_is_quoted_and_not_repeated() -> None:
    peer = Peer(lambda *_: (503, {"detail": "The database does not answer."}))
    async with served(peer) as url, api_client(url) as api:
        with pytest.raises(Refused, match=r"was answered with 503: .*The database does not answer"):
            await api.ask("GET", "/api/v1/entries")
    assert len(peer.asked) == 1


async def test_an_upload_goes_where_the_ticket_says_and_the_store_never_sees_the_token() -> None:
    store = Peer(lambda *_: (200, {}))
    async with served(store) as store_url:
        ticket = {"id": "u1", "method": "PUT", "url": f"{store_url}/put", "headers": {"x-signed": "1"}}
        peer = Peer(lambda _m, path, *_: (200, {"access_token": "t"}) if path.startswith("/auth") else (200, ticket))
        async with served(peer) as url, api_client(url) as api:
            await api.sign_up_or_in("a@maru.example", "secret", "A")
            assert await api.upload("사진.jpg", "image/jpeg", b"data") == "u1"
    ((method, _, given, headers),) = store.asked
    assert (method, given["raw"], headers["x-signed"]) == ("PUT", b"data", "1")
    assert "authorization" not in headers
    assert peer.asked[-1][1] == "/api/v1/uploads/u1/complete"
    assert peer.asked[1][2]["size"] == 4


async def test_a_store_that_refuses_leaves_the_upload_incomplete() -> None:
    async with served(Peer(lambda *_: (403, b"expired"))) as store_url:
        ticket = {"id": "u1", "method": "PUT", "url": store_url, "headers": {}}
        peer = Peer(lambda *_: (200, ticket))
        async with served(peer) as url, api_client(url) as api:
            with pytest.raises(Refused, match=r"a\.md could not be stored: 403 expired"):
                await api.upload("a.md", "text/markdown", b"x")
    assert [path for _, path, _, _ in peer.asked] == ["/api/v1/uploads"]


async def test_waiting_ends_when_nothing_is_at_work_and_when_time_is_up() -> None:
    counts = iter([1, 1, 0])
    peer = Peer(lambda *_: (200, {"entries": [{}] * next(counts, 1)}))
    async with served(peer) as url, api_client(url) as api:
        assert await api.wait_until_understood(60) is True
        assert await api.wait_until_understood(0) is False


class Product:
    """Entries in memory, found by a shared word; `leaks` lets everybody's entries show."""

    def __init__(self, *, leaks: bool = False) -> None:
        self.entries: dict[str, tuple[str, str]] = {}
        self.people = 0
        self.leaks = leaks

    def __call__(self, method: str, path: str, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        who = headers.get("authorization", "")
        match method, path:
            case "POST", "/auth/v1/signup":
                self.people += 1
                return 200, {"access_token": f"person-{self.people}"}
            case "POST", "/api/v1/entries":
                self.entries[f"e{len(self.entries)}"] = (who, body["body"])
                return 201, {"id": f"e{len(self.entries) - 1}"}
            case "GET", "/api/v1/entries":
                return 200, {"entries": []}
            case "POST", "/api/v1/search":
                return 200, {"hits": [{"entry_id": found} for found in self.found(who, body["query"])]}
            case "POST", "/api/v1/conversations":
                return 201, {"id": "c"}
            case _:
                found = self.found(who, body["content"])
                quotes = [{"entry_id": e, "quote": self.entries[e][1], "state": "verified"} for e in found[:1]]
                return 200, {"content": "…", "citations": quotes}

    def found(self, who: str, query: str) -> list[str]:
        words = set(query.split())
        return [
            name
            for name, (owner, body) in self.entries.items()
            if (self.leaks or owner == who) and words & set(body.split())
        ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs.jsonl").write_text(
        '{"id": "d1", "title": "t", "text": "zelkova tree"}\n{"id": "d2", "title": "", "text": "harbour fog"}\n'
    )
    (tmp_path / "queries.jsonl").write_text('{"id": "q1", "text": "zelkova"}\n{"id": "q2", "text": "fog"}\n')
    (tmp_path / "qrels.tsv").write_text("q1\td1\t1\nq2\td2\t1\n")
    return tmp_path


async def test_what_is_found_is_scored_and_somebody_elses_is_never_counted_as_found(folder: Path) -> None:
    dataset = load_dataset(folder)
    product = Product()
    async with served(Peer(product)) as url:
        report = await measure(url, dataset, lambda _: None, answers=True)
    assert report.total.recall10 == 1.0
    assert report.total.cross_tenant == 0
    assert product.people == 2
    async with served(Peer(Product(leaks=True))) as url:
        leaking = await measure(url, dataset, lambda _: None, answers=False)
    assert leaking.total.cross_tenant > 0
    assert FOREIGN not in {document.id for document in dataset.documents}


async def test_the_figures_are_printed_and_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with served(Peer(Product())) as url:
        await asyncio.to_thread(evaluate_and_say, [folder], url, folder / "figures.json", {})
    (written,) = json.loads((folder / "figures.json").read_text())
    assert written
    assert capsys.readouterr().out.strip()


def test_what_is_measured_touches_nothing_of_anybody() -> None:
    somebodys = {
        "DATABASE_URL": "postgresql://real", "API_DATABASE_URL": "postgresql://real", "MARU_OWNER_DATABASE_URL": "postgresql://real",
        "QDRANT_URL": "https://real", "MARU_VECTORS_SOCKET": "/real", "R2_ENDPOINT": "https://real", "SUPABASE_URL": "https://real",
        "GOOGLE_CLOUD_PROJECT": "real", "MARU_API_URL": "https://real", "MARU_AUTH_SIGNING_KEY": "real", "PUSH_AUTH_MODE": "iam", "HOST": "real",
    }  # fmt: skip
    models = {
        "OPENAI_API_KEY": "sk",
        "OPENAI_BASE_URL": "http://m",
        "MARU_CHAT_MODEL": "c",
        "MARU_EMBEDDING_MODEL": "e",
    }
    own = own_environment({**somebodys, **models, "PATH": "/bin"}, "/tmp/own", ["1", "2", "3", "4"])
    assert not {*somebodys} & {*own}
    assert models.items() <= own.items()
    assert (own["MARU_HOME"], own["MARU_API_PORT"], own["PATH"]) == ("/tmp/own", "1", "/bin")


def test_the_household_is_a_year_in_two_languages_and_never_in_the_future() -> None:
    entries, today = household(), now()
    assert {entry.lang for entry in entries} == {"ko", "en"}
    assert all(entry.occurred_at(today) < today for entry in entries)
    assert max(entry.days_ago for entry in entries) > 300
    assert {entry.person for entry in entries} - {None} <= {person.name for person in PEOPLE}
    assert len({(entry.title, entry.body) for entry in entries}) == len(entries)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_picture_carries_its_date_and_no_place(scene: Any) -> None:
    import io

    from PIL import Image

    taken = now()
    image = Image.open(io.BytesIO(render(scene, taken)))
    details = image.getexif().get_ifd(0x8769)
    assert details[36867] == taken.strftime("%Y:%m:%d %H:%M:%S")
    assert image.getexif().get_ifd(0x8825) == {}
    assert len(image.resize((40, 30)).convert("RGB").getcolors(2000)) > 50
