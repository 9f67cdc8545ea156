"""The address that limits count by: the one that our own proxies saw, whatever a caller writes."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.http.app import create_app
from shared.http.client_address import forwarded_for
from shared.settings import HttpSettings, SettingMissing
from starlette.requests import Request

CALLER = "203.0.113.7"
FORGED = st.lists(
    st.one_of(st.ip_addresses().map(str), st.text(alphabet="0123456789abcdef.:[]x _-", max_size=20)), max_size=6
)


@pytest.mark.parametrize(
    ("headers", "trusted", "address"),
    [
        ([], 1, None),
        ([CALLER], 0, None),
        ([CALLER], 1, CALLER),
        (["1.2.3.4, 203.0.113.7"], 1, CALLER),
        (["1.2.3.4", "203.0.113.7"], 1, CALLER),
        (["1.2.3.4,203.0.113.7,35.191.0.1"], 2, CALLER),
        (["203.0.113.7"], 2, CALLER),
        (["203.0.113.7:51234"], 1, CALLER),
        (["::ffff:203.0.113.7"], 1, CALLER),
        (["[2001:db8::1]:443"], 1, "2001:db8::1"),
        (["2001:DB8:0::1"], 1, "2001:db8::1"),
        (["unknown"], 1, None),
        (["203.0.113.7, "], 1, CALLER),
    ],
    ids=str,
)
def test_entries_are_counted_from_the_right(headers: list[str], trusted: int, address: str | None) -> None:
    assert forwarded_for(headers, trusted) == address


@given(forged=FORGED)
def test_whatever_a_caller_writes_stands_left_of_what_the_proxy_saw(forged: list[str]) -> None:
    assert forwarded_for([*forged, CALLER], 1) == CALLER
    assert forwarded_for([", ".join([*forged, CALLER])], 1) == CALLER
    assert forwarded_for([", ".join([*forged, CALLER]), "35.191.0.1"], 2) == CALLER


@pytest.mark.parametrize(
    ("env", "proxies"),
    [
        ({}, 0),
        ({"K_SERVICE": "api"}, 1),
        ({"K_SERVICE": "api", "MARU_TRUSTED_PROXIES": "2"}, 2),
        ({"MARU_TRUSTED_PROXIES": "0"}, 0),
    ],
    ids=str,
)
def test_how_many_proxies_are_ours(env: dict[str, str], proxies: int) -> None:
    assert HttpSettings.from_env(env).trusted_proxies == proxies


@pytest.mark.parametrize("text", ["-1", "many", "10", "1.5"])
def test_a_number_that_is_none_is_said_so(text: str) -> None:
    with pytest.raises(SettingMissing, match="MARU_TRUSTED_PROXIES"):
        HttpSettings.from_env({"MARU_TRUSTED_PROXIES": text})


@pytest.mark.parametrize(("trusted", "seen"), [("0", "192.0.2.9"), ("1", CALLER)])
async def test_a_route_sees_the_caller_and_without_proxies_no_header_is_believed(trusted: str, seen: str) -> None:
    from contextlib import nullcontext

    app = create_app(
        "x",
        settings=HttpSettings.from_env({"MARU_TRUSTED_PROXIES": trusted}),
        checks={},
        lifespan=lambda _: nullcontext(),
    )

    @app.get("/who")
    async def who(request: Request) -> str:
        assert request.client is not None
        return request.client.host

    transport = httpx.ASGITransport(app, client=("192.0.2.9", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/who", headers={"X-Forwarded-For": f"198.51.100.1, {CALLER}"})
    assert answer.json() == seen
