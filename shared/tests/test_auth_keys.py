"""Where verification keys come from: fetched once, again when needed, never in a stampede."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest
from shared.auth import AccessTokenInvalid, KeysUnavailable, RemoteKeys, TokenVerifier
from shared.auth.keys import read_keys
from shared.testing.supabase_peer import SupabasePeer, run_supabase_peer


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["ES256", "RS256"])
def peer(request: pytest.FixtureRequest) -> Generator[SupabasePeer]:
    with run_supabase_peer(request.param) as running:
        yield running


def keys_of(peer: SupabasePeer, clock: Clock) -> RemoteKeys:
    return RemoteKeys(f"{peer.url}/auth/v1/.well-known/jwks.json", clock=clock)


def verifier_of(peer: SupabasePeer, clock: Clock) -> TokenVerifier:
    return TokenVerifier(keys_of(peer, clock), issuer=f"{peer.url}/auth/v1")


async def test_many_first_requests_fetch_the_keys_once(peer: SupabasePeer) -> None:
    judge = verifier_of(peer, Clock())
    accepted = await asyncio.gather(*(judge.verify(peer.token()) for _ in range(20)))
    assert len(accepted) == 20
    assert len(peer.requests) == 1


async def test_unknown_key_ids_do_not_become_a_stream_of_requests(peer: SupabasePeer) -> None:
    clock = Clock()
    keys = keys_of(peer, clock)
    await asyncio.gather(*(keys.find(f"forged-{n}") for n in range(50)))
    assert len(peer.requests) == 1
    clock.now += 31
    await asyncio.gather(*(keys.find(f"forged-{n}") for n in range(50)))
    assert len(peer.requests) == 2


async def test_a_rotated_key_is_found_after_the_cooldown(peer: SupabasePeer) -> None:
    clock = Clock()
    judge = verifier_of(peer, clock)
    await judge.verify(peer.token())
    peer.add_key()
    rotated = peer.token()
    with pytest.raises(AccessTokenInvalid):
        await judge.verify(rotated)
    clock.now += 31
    assert await judge.verify(rotated)


async def test_a_withdrawn_key_is_forgotten_within_ten_minutes(peer: SupabasePeer) -> None:
    clock = Clock()
    keys = keys_of(peer, clock)
    withdrawn = peer.jwks["keys"][0]["kid"]
    assert await keys.find(withdrawn)
    peer.add_key()
    peer.jwks["keys"] = peer.jwks["keys"][1:]
    assert await keys.find(withdrawn)
    clock.now += 601
    assert await keys.find(withdrawn) is None


async def test_while_the_provider_is_away_known_keys_stay_and_nobody_is_refused_wrongly(peer: SupabasePeer) -> None:
    clock = Clock()
    judge = verifier_of(peer, clock)
    peer.fail(500)
    with pytest.raises(KeysUnavailable):
        await judge.verify(peer.token())
    clock.now += 3
    assert await judge.verify(peer.token())
    clock.now += 601
    peer.fail(*[503] * 10)
    assert await judge.verify(peer.token())


async def test_a_provider_that_cannot_be_reached_is_not_an_invalid_token() -> None:
    with pytest.raises(KeysUnavailable):
        await RemoteKeys("http://127.0.0.1:1/jwks.json").find("any")


def test_only_http_addresses_are_fetched() -> None:
    for url in ("file:///etc/passwd", "ftp://auth.example/jwks.json", "auth.example"):
        with pytest.raises(ValueError, match="http"):
            RemoteKeys(url)


def test_keys_that_cannot_verify_signatures_are_left_out(peer: SupabasePeer) -> None:
    good = peer.jwks["keys"][0]
    bad: list[Any] = [
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"},
        good | {"kid": "encrypts", "use": "enc"},
        good | {"kid": "renamed", "alg": "HS256"},
        good | {"kid": "private", "d": "AAAA"},
        good | {"kid": 7},
        {key: value for key, value in good.items() if key != "kid"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "broken"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "curve"},
        {"kty": "RSA", "n": "", "e": "", "kid": "empty"},
        "not a key",
        None,
    ]
    assert set(read_keys({"keys": [*bad, good]})) == {good["kid"]}


@pytest.mark.parametrize("document", [None, [], "keys", {}, {"keys": None}, {"keys": "x"}, {"keys": [1, None]}])
def test_what_is_no_key_set_holds_no_keys(document: Any) -> None:
    assert read_keys(document) == {}


def test_the_first_key_of_an_id_wins(peer: SupabasePeer) -> None:
    peer.add_key()
    first, second = peer.jwks["keys"]
    assert read_keys({"keys": [first, second | {"kid": first["kid"]}]})[first["kid"]].algorithm == first["alg"]
