"""Random histories of sign-ins, exchanges, thefts and sign-outs, against a model of what must hold after each step."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import httpx
import jwt
import pytest
from shared.testing.identity import PASSWORD, SignUp

STEPS = 40


@dataclass
class Session:
    """What the model knows of one session: the token that may be exchanged next, and those that were."""

    access: str
    live: str
    spent: list[str] = field(default_factory=list)
    ended: bool = False


class History:
    """Does a step with the provider and with the model, and compares."""

    def __init__(self, http: httpx.AsyncClient, email: str, chance: random.Random) -> None:
        self._http = http
        self._email = email
        self._chance = chance
        self.sessions: list[Session] = []

    async def step(self) -> None:
        """One thing that somebody does."""
        options = [self.sign_in]
        if self.sessions:
            options += [self.exchange, self.exchange, self.steal, self.sign_out, self.look]
        await self._chance.choice(options)()

    async def sign_in(self) -> None:
        """A session begins."""
        answer = await self._http.post(
            "/auth/v1/token?grant_type=password", json={"email": self._email, "password": PASSWORD}
        )
        assert answer.status_code == 200, answer.text
        self.sessions.append(Session(answer.json()["access_token"], answer.json()["refresh_token"]))

    async def exchange(self) -> None:
        """The newest token of a session is exchanged."""
        session = self._chance.choice(self.sessions)
        answer = await self._refresh(session.live)
        assert (answer.status_code == 200) is not session.ended
        if answer.status_code == 200:
            session.spent.append(session.live)
            session.live, session.access = answer.json()["refresh_token"], answer.json()["access_token"]

    async def steal(self) -> None:
        """An old token comes again: nobody gets anything, and its session ends."""
        session = self._chance.choice(self.sessions)
        if not session.spent:
            return
        answer = await self._refresh(self._chance.choice(session.spent))
        expected = "refresh_token_not_found" if session.ended else "refresh_token_already_used"
        assert (answer.status_code, answer.json()["code"]) == (400, expected)
        session.ended = True

    async def sign_out(self) -> None:
        """A session ends, or the others do, or all."""
        session, scope = self._chance.choice(self.sessions), self._chance.choice(["local", "others", "global"])
        answer = await self._http.post(f"/auth/v1/logout?scope={scope}", headers=self._bearer(session))
        assert answer.status_code == (403 if session.ended else 204)
        if not session.ended:
            for other in self.sessions:
                other.ended |= scope == "global" or (other is session) == (scope == "local")

    async def look(self) -> None:
        """An access token works exactly as long as its session stands."""
        session = self._chance.choice(self.sessions)
        answer = await self._http.get("/api/v1/me", headers=self._bearer(session))
        assert (answer.status_code == 200) is not session.ended, answer.text

    async def _refresh(self, token: str) -> httpx.Response:
        return await self._http.post("/auth/v1/token?grant_type=refresh_token", json={"refresh_token": token})

    @staticmethod
    def _bearer(session: Session) -> dict[str, str]:
        return {"Authorization": f"Bearer {session.access}"}


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_a_session_stands_or_has_ended(
    nobody: httpx.AsyncClient, sign_up: SignUp, seed: int
) -> None:
    somebody, bystander = await sign_up(), await sign_up("bystander")
    history = History(nobody, somebody.email, random.Random(seed))
    for _ in range(STEPS):
        await history.step()
    for session in history.sessions:
        answer = await nobody.get("/auth/v1/user", headers={"Authorization": f"Bearer {session.access}"})
        assert (answer.status_code == 200) is not session.ended
    distinct = {jwt.decode(s.access, options={"verify_signature": False})["session_id"] for s in history.sessions}
    assert len(distinct) == len(history.sessions)
    assert (await bystander.http.get("/api/v1/me")).status_code == 200
