"""Guessing is slow: attempts that fail are counted, by account and by address."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from shared.testing.identity import PASSWORD, SignUp

TOKEN = "/auth/v1/token?grant_type=password"


async def test_guesses_at_one_account_end_in_429_with_the_wait(nobody: httpx.AsyncClient, sign_up: SignUp) -> None:
    somebody = await sign_up()
    wrong = {"email": somebody.email, "password": "wrong password"}
    answers = [await nobody.post(TOKEN, json=wrong) for _ in range(15)]
    assert [answer.status_code for answer in answers[:9]] == [400] * 9
    last = answers[-1]
    assert (last.status_code, last.json()["code"]) == (429, "over_request_rate_limit")
    assert last.json()["error_code"] == last.json()["code"]
    assert int(last.headers["retry-after"]) >= 1
    right = await nobody.post(TOKEN, json={"email": somebody.email, "password": PASSWORD})
    assert right.status_code == 429
    other_doors = [
        await nobody.post("/api/v1/ui/tickets", json=wrong),
        await nobody.post("/api/v1/auth/token", json=wrong),
        await nobody.post(TOKEN, json={**wrong, "email": somebody.email.upper()}),
        await nobody.post(TOKEN, json={**wrong, "email": "ｊ" + somebody.email[1:]}),
    ]
    assert [answer.status_code for answer in other_doors] == [429] * 4
    assert (await somebody.http.get("/api/v1/me")).status_code == 200


async def test_signing_in_rightly_is_not_limited(nobody: httpx.AsyncClient, sign_up: SignUp) -> None:
    somebody = await sign_up()
    for _ in range(15):
        answer = await nobody.post(TOKEN, json={"email": somebody.email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text


async def test_guesses_spread_over_accounts_are_counted_by_address(nobody: httpx.AsyncClient) -> None:
    guesses = [{"email": f"nobody-{n}@example.com", "password": "p\x00"} for n in range(110)]
    answers = await asyncio.gather(*(nobody.post(TOKEN, json=guess) for guess in guesses))
    refused = [answer.status_code for answer in answers]
    assert set(refused) == {400, 429}
    assert refused.count(400) >= 60


class TestBehindAProxy:
    @pytest.fixture
    def gateway_environment(self, gateway_environment: dict[str, str]) -> dict[str, str]:
        return gateway_environment | {"MARU_TRUSTED_PROXIES": "1"}

    async def test_a_forged_address_before_ones_own_hides_nobody(self, nobody: httpx.AsyncClient) -> None:
        async def guess(number: int, caller: str) -> int:
            body = {"email": f"nobody-{number}@example.com", "password": "p\x00"}
            forged = {"X-Forwarded-For": f"198.51.100.{number}, {caller}"}
            return (await nobody.post(TOKEN, json=body, headers=forged)).status_code

        answers = await asyncio.gather(*(guess(number, "203.0.113.7") for number in range(110)))
        assert set(answers) == {400, 429}
        assert await guess(200, "203.0.113.8") == 400, "another caller pays for this one's guesses"


class TestSwitchedOff:
    @pytest.fixture
    def gateway_environment(self, gateway_environment: dict[str, str]) -> dict[str, str]:
        return gateway_environment | {"MARU_RATE_LIMITS": "off"}

    async def test_limits_can_be_switched_off_for_measurements(self, nobody: httpx.AsyncClient) -> None:
        for _ in range(20):
            answer = await nobody.post(TOKEN, json={"email": "nobody@example.com", "password": "p\x00"})
            assert answer.status_code == 400
