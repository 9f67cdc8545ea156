"""What an attacker would try against the app's own server: sessions, cookies, headers, forged calls."""

import asyncio
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
import websockets
from playwright.sync_api import expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

pytestmark = [pytest.mark.xdist_group("browser-asking")]


async def _session_id(base: str, cookie: str, *, existing: str = "", **headers: str) -> tuple[str, bytes]:
    """Connect as a browser does and return the id of the session that answers, with everything it said meanwhile."""
    protocols = ["streamlit", "none", existing] if existing else ["streamlit"]
    url = base.replace("http", "ws") + "/_stcore/stream"
    async with websockets.connect(
        url, subprotocols=protocols, additional_headers={"Cookie": cookie, "Origin": base, **headers}, max_size=None
    ) as socket:
        rerun = BackMsg()
        rerun.rerun_script.query_string = ""
        await socket.send(rerun.SerializeToString())
        said, session = b"", ""
        while True:
            data = await asyncio.wait_for(socket.recv(), 20)
            assert isinstance(data, bytes)
            said += data
            message = ForwardMsg.FromString(data)
            if message.WhichOneof("type") == "new_session":
                session = message.new_session.initialize.session_id
            if message.WhichOneof("type") == "script_finished":
                return session, said


async def test_knowing_a_session_id_does_not_open_the_session(stack: Any) -> None:
    victim, thief = stack.somebody("피해자"), stack.somebody("도둑")
    own = f"maru_session={victim.handle}"
    theirs = f"maru_session={thief.handle}"
    session, said = await _session_id(stack.app.url, own)
    assert "피해자".encode() in said
    again, _ = await _session_id(stack.app.url, own, existing=session)
    assert again == session, "the owner takes the session up again"
    for cookie in (theirs, ""):
        taken, said = await _session_id(stack.app.url, cookie, existing=session)
        assert taken != session
        assert "피해자".encode() not in said


async def test_a_client_cannot_claim_an_identity_in_a_header(stack: Any) -> None:
    import hashlib

    victim = stack.somebody("피해자")
    identity = hashlib.sha256(victim.handle.encode()).hexdigest()
    session, _ = await _session_id(stack.app.url, f"maru_session={victim.handle}")
    taken, said = await _session_id(stack.app.url, "", existing=session, **{"X-Ws-User": identity})
    assert taken != session
    assert "피해자".encode() not in said


async def test_another_site_cannot_open_a_connection(stack: Any) -> None:
    url = stack.app.url.replace("http", "ws") + "/_stcore/stream"
    with pytest.raises((websockets.exceptions.InvalidStatus, websockets.exceptions.ConnectionClosed)):
        async with websockets.connect(url, subprotocols=["streamlit"], origin="https://evil.example") as socket:
            await socket.recv()


@pytest.mark.parametrize("path", ["/session", "/session/end", "/session/language"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_only_our_own_page_may_change_the_session(stack: Any, path: str, headers: dict[str, str]) -> None:
    asked = {"Origin": stack.app.url} | headers if "Sec-Fetch-Site" in headers else headers
    body = {"ticket": "x" * 32, "language": "ko"}
    answer = httpx.post(stack.app.url + path, json=body, headers=asked)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_ticket_works_once_and_gives_a_cookie_no_script_can_read(stack: Any, someone: Any) -> None:
    fields = {"email": someone.email, "password": someone.password}
    ticket = httpx.post(f"{stack.peer.url}/api/v1/ui/tickets", json=fields).json()["ticket"]
    headers = {"Origin": stack.app.url, "Sec-Fetch-Site": "same-origin"}
    first = httpx.post(f"{stack.app.url}/session", json={"ticket": ticket}, headers=headers)
    assert first.status_code == 204
    cookie = SimpleCookie(first.headers["set-cookie"])["maru_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    second = httpx.post(f"{stack.app.url}/session", json={"ticket": ticket}, headers=headers)
    assert second.status_code == 401
    assert "set-cookie" not in second.headers


def test_behind_tls_the_cookie_is_bound_to_this_host(stack: Any, someone: Any) -> None:
    fields = {"email": someone.email, "password": someone.password}
    ticket = httpx.post(f"{stack.peer.url}/api/v1/ui/tickets", json=fields).json()["ticket"]
    headers = {"Origin": stack.app.url, "X-Forwarded-Proto": "https"}
    answer = httpx.post(f"{stack.app.url}/session", json={"ticket": ticket}, headers=headers)
    cookie = SimpleCookie(answer.headers["set-cookie"])["__Host-maru"]
    assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"ticket": 3}', b'{"ticket": "' + b"x" * 9000 + b'"}'])
def test_a_malformed_ticket_is_refused_before_anything_is_asked(stack: Any, body: bytes) -> None:
    before = len(stack.calls("/api/v1/ui/sessions"))
    answer = httpx.post(f"{stack.app.url}/session", content=body, headers={"Origin": stack.app.url})
    assert answer.status_code == 400
    assert len(stack.calls("/api/v1/ui/sessions")) == before


@pytest.mark.parametrize("path", ["/", "/journal", "/assets/maru.css", "/_stcore/health", "/file/api/v1/me"])
def test_every_answer_carries_the_security_headers(stack: Any, path: str) -> None:
    answer = httpx.get(stack.app.url + path, headers={"Accept": "text/html"})
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert "'unsafe-inline'" not in policy["script-src"]
    assert "'unsafe-eval'" not in policy["script-src"]
    assert policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == f"'self' {stack.peer.url}"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"


def test_the_document_speaks_our_language_and_loads_our_styles(stack: Any) -> None:
    for asked, language in (("ko-KR,ko;q=0.9,en;q=0.8", "ko"), ("en-GB,en;q=0.9", "en"), ("fr", "en")):
        document = httpx.get(stack.app.url, headers={"Accept": "text/html", "Accept-Language": asked}).text
        assert f'<html lang="{language}"' in document
        assert "maru.css" in document
        assert "<title>Maru</title>" in document
        assert "You need to enable JavaScript" not in document


@pytest.mark.parametrize(
    "path", ["api/v1/me", "api/v1/uploads/../me", "api/v1/uploads/x?y=1#", "auth/v1/user", "http://evil.example/x"]
)
def test_the_way_to_files_leads_nowhere_else(stack: Any, someone: Any, path: str) -> None:
    cookies = {"maru_session": someone.handle}
    answer = httpx.get(f"{stack.app.url}/file/{path}", cookies=cookies, follow_redirects=False)
    assert answer.status_code >= 400


def test_a_file_is_reached_by_its_own_people_only(stack: Any, someone: Any) -> None:
    wanted = {"filename": "a.txt", "content_type": "text/plain", "size": 3}
    upload = someone.http.post("/api/v1/uploads", json=wanted).json()
    httpx.put(upload["url"], content=b"abc", headers=upload["headers"]).raise_for_status()
    someone.http.post(f"/api/v1/uploads/{upload['id']}/complete").raise_for_status()
    someone.write("글", kind="document", uploads=[upload["id"]])
    path = f"{stack.app.url}/file/api/v1/uploads/{upload['id']}/content"
    mine = httpx.get(path, cookies={"maru_session": someone.handle})
    assert mine.status_code == 302
    assert httpx.get(mine.headers["location"]).content == b"abc"
    assert httpx.get(path).status_code == 404
    assert httpx.get(path, cookies={"maru_session": stack.somebody().handle}).status_code == 404


@pytest.mark.browser
def test_hostile_words_stay_words(visit: Any, someone: Any) -> None:
    hostile = (
        "<img src=x onerror=alert(1)> [click](javascript:alert(1)) ![x](https://evil.example/p.png)"
        " https://evil.example :material/warning: $x^2$ :red[빨강]"
    )
    entry = someone.write(f"{hostile} 기뻤다.", title=hostile)
    visitor = visit(someone)
    for path in ("/", "/journal", f"/entry?id={entry['id']}"):
        page = visitor.open(path)
        expect(page.get_by_text("javascript:alert(1)").first).to_be_visible()
        assert (
            page.locator(".stMain a[href*='evil'], .stMain a[href^='javascript'], .stMain img[src*='evil']").count()
            == 0
        )
    assert not [url for url in visitor.requests if "evil.example" in url]
