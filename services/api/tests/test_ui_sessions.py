"""Browser sessions of the web app."""

import asyncio

import httpx
from shared.testing.identity import PASSWORD, SignUp


async def open_session(nobody: httpx.AsyncClient, email: str) -> str:
    ticket = await nobody.post("/api/v1/ui/tickets", json={"email": email, "password": PASSWORD})
    assert ticket.status_code == 201, ticket.text
    assert ticket.json()["expires_in"] == 30
    session = await nobody.post("/api/v1/ui/sessions", json={"ticket": ticket.json()["ticket"]})
    assert session.status_code == 201, session.text
    handle: str = session.json()["session"]
    return handle


async def test_a_ticket_opens_one_session_whose_tokens_work(nobody: httpx.AsyncClient, sign_up: SignUp) -> None:
    somebody = await sign_up()
    handle = await open_session(nobody, somebody.email)
    answers = await asyncio.gather(
        *(nobody.post("/api/v1/ui/sessions/token", json={"session": handle}) for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {200}
    (token,) = {answer.json()["access_token"] for answer in answers}
    me = await nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json()["user"]["id"] == somebody.id
    assert (await somebody.http.get("/api/v1/ui/sessions")).json()["sessions"]
    assert (await nobody.request("DELETE", "/api/v1/ui/sessions", json={"session": handle})).status_code == 204
    assert (await nobody.post("/api/v1/ui/sessions/token", json={"session": handle})).status_code == 401
