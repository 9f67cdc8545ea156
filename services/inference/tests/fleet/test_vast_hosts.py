"""Vast's API as documented, over the wire: what is sent, what is understood, and what is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from inference.fleet.provider import (
    CreateUnsure,
    ListedHost,
    Needs,
    Offer,
    OfferGone,
    Order,
    ProviderAway,
    ProviderRefused,
)
from inference.fleet.vast import VastHosts
from shared.testing.vast_peer import Fault, VastPeer

ORDER = Order("maru-home-1", "ghcr.io/maru/worker:1", 40, {"MARU_WORKER_TOKEN": "wk_secret"})


class Pauses:
    """Remembers how long it was asked to wait, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def vast(peer: VastPeer, pauses: Pauses) -> AsyncGenerator[VastHosts]:
    hosts = VastHosts(peer.url, peer.api_key, timeout_s=1, sleep=pauses)
    yield hosts
    await hosts.close()
    await hosts.close()


async def search(vast: VastHosts, needs: Needs | None = None, price: float = 1.0) -> list[Offer]:
    return await vast.search_offers(needs or Needs(), max_price_micros=round(price * 1e6), disk_gib=40, life_s=86_400)


async def rent(vast: VastHosts) -> str:
    return await vast.create((await search(vast))[0], ORDER)


async def test_offers_come_cheapest_first_and_within_every_limit(vast: VastHosts, peer: VastPeer) -> None:
    dear, cheap = peer.offer(0.9), peer.offer(0.2)
    peer.offer(1.01)
    peer.offer(0.1, verified=False)
    peer.offer(0.1, rentable=False)
    peer.offer(0.1, num_gpus=2)
    peer.offer(0.1, reliability=0.5)
    peer.offer(0.1, duration=3600)
    peer.offer(0.1, disk_space=20)
    assert [offer.id for offer in await search(vast)] == [str(cheap), str(dear)]


async def test_an_offer_is_read_in_our_units(vast: VastHosts, peer: VastPeer) -> None:
    number = peer.offer(0.2345678, gpu_name="H200", gpu_ram=143_360, machine_id=88)
    assert await search(vast) == [Offer(str(number), "88", "H200", 140.0, 234_568)]


async def test_a_part_of_a_gpus_name_is_enough(vast: VastHosts, peer: VastPeer) -> None:
    peer.offer(0.2, gpu_name="RTX 4090")
    peer.offer(0.9, gpu_name="A100 SXM4", gpu_ram=81_920)
    for name in ("a100", "A100-SXM4", "sxm4"):
        assert [offer.gpu_name for offer in await search(vast, Needs(name))] == ["A100 SXM4"]
    assert await search(vast, Needs("B200")) == []


async def test_memory_that_a_driver_would_report_lower_is_not_taken_for_enough(vast: VastHosts, peer: VastPeer) -> None:
    peer.offer(0.2, gpu_ram=24_576)
    assert len(await search(vast, Needs(min_gpu_memory_gib=23))) == 1
    assert await search(vast, Needs(min_gpu_memory_gib=24)) == []


async def test_a_host_is_rented_listed_and_destroyed(vast: VastHosts, peer: VastPeer) -> None:
    peer.offer(0.4)
    provider_id = await rent(vast)
    assert peer.hosts[int(provider_id)]["extra_env"] == [["MARU_WORKER_TOKEN", "wk_secret"]]
    [listed] = await vast.list_by_label("maru-home-")
    assert listed == ListedHost(provider_id, "maru-home-1", listed.machine_id, 400_000, dead=False)
    await vast.destroy(provider_id)
    assert await vast.list_by_label("maru-home-") == []


async def test_destroying_twice_is_as_good_as_once(vast: VastHosts, peer: VastPeer) -> None:
    host = peer.host("maru-home-1")
    await vast.destroy(str(host))
    await vast.destroy(str(host))


async def test_the_list_goes_through_all_pages_and_leaves_others_out(vast: VastHosts, peer: VastPeer) -> None:
    ours = [peer.host(f"maru-home-{number}") for number in range(60)]
    peer.host(None)
    peer.host("somebody's training")
    peer.host("maru-homestead-1")
    assert [int(host.provider_id) for host in await vast.list_by_label("maru-home-")] == ours


@pytest.mark.parametrize("changes", [{"actual_status": "exited"}, {"intended_status": "stopped"}])
async def test_a_host_that_only_costs_its_disk_is_dead(
    vast: VastHosts, peer: VastPeer, changes: dict[str, str]
) -> None:
    peer.host("maru-home-1", **changes)
    assert [host.dead for host in await vast.list_by_label("maru-home-")] == [True]


async def test_a_list_with_a_page_missing_is_no_list(vast: VastHosts, peer: VastPeer) -> None:
    for number in range(30):
        peer.host(f"maru-home-{number}")
    peer.faults = [Fault("list"), *[Fault("list", status=500)] * 4]
    with pytest.raises(ProviderAway):
        await vast.list_by_label("maru-home-")


Call = Callable[[VastHosts], Any]
CALLS: dict[str, Call] = {
    "search": search,
    "list": lambda vast: vast.list_by_label("maru-"),
    "destroy": lambda vast: vast.destroy("7002"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 503}, {"dropped": True}, {"lost": True}, {"status": 429}]
)
async def test_what_can_be_repeated_is(
    vast: VastHosts, peer: VastPeer, pauses: Pauses, call: Any, fault: dict[str, Any]
) -> None:
    peer.host("maru-home-1")
    peer.faults = [Fault(call, **fault)] * 2
    await CALLS[call](vast)
    assert len(peer.calls) == 3
    assert len(pauses.seconds) == 2


@pytest.mark.parametrize("call", CALLS)
async def test_it_gives_up_in_the_end(vast: VastHosts, peer: VastPeer, call: Any) -> None:
    peer.faults = [Fault(call, status=502)] * 9
    with pytest.raises(ProviderAway):
        await CALLS[call](vast)
    assert len(peer.calls) == 4


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 504}, {"dropped": True}, {"lost": True}, {"slow_s": 1.3}]
)
async def test_a_host_is_never_ordered_twice(vast: VastHosts, peer: VastPeer, fault: dict[str, Any]) -> None:
    peer.offer(0.4)
    peer.offer(0.5)
    peer.faults = [Fault("create", **fault)]
    with pytest.raises(CreateUnsure):
        await rent(vast)
    assert len([call for call in peer.calls if call.startswith("PUT")]) == 1


async def test_an_order_that_was_refused_for_haste_is_repeated(vast: VastHosts, peer: VastPeer, pauses: Pauses) -> None:
    peer.offer(0.4)
    peer.faults = [Fault("create", status=429, retry_after="7"), Fault("create", status=429)]
    assert int(await rent(vast)) in peer.hosts
    assert pauses.seconds[0] == 7
    assert 6 <= pauses.seconds[1] <= 8


async def test_nobody_waits_for_long(vast: VastHosts, peer: VastPeer, pauses: Pauses) -> None:
    peer.faults = [Fault("list", status=429, retry_after="3600")]
    with pytest.raises(ProviderAway):
        await vast.list_by_label("maru-")
    peer.faults = [Fault("search", status=429, text='{"error": "search_quota_exceeded"}')]
    with pytest.raises(ProviderAway):
        await search(vast)
    assert pauses.seconds == []


async def test_an_offer_that_is_gone(vast: VastHosts, peer: VastPeer) -> None:
    peer.offer(0.4)
    [offer] = await search(vast)
    await vast.create(offer, ORDER)
    with pytest.raises(OfferGone):
        await vast.create(offer, ORDER)
    peer.offer(0.4)
    peer.faults = [Fault("create", status=410, text="{}")]
    with pytest.raises(OfferGone):
        await rent(vast)


async def test_a_key_that_is_refused_is_named_and_not_shown(peer: VastPeer) -> None:
    vast = VastHosts(peer.url, "wrong-secret")
    with pytest.raises(ProviderRefused, match="VAST_API_KEY") as refused:
        await vast.list_by_label("maru-")
    assert "wrong-secret" not in refused.value.detail
    await vast.close()


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (400, '{"success": false, "error": "invalid_args", "msg": "disk is too small"}', "disk is too small"),
        (403, "no", "VAST_API_KEY"),
        (402, "pay first", "pay first"),
        (307, "elsewhere", "307"),
    ],
)
async def test_a_refusal_is_passed_on_and_nothing_was_rented(
    vast: VastHosts, peer: VastPeer, status: int, text: str, said: str
) -> None:
    peer.offer(0.4)
    peer.faults = [Fault("create", status=status, text=text)]
    with pytest.raises(ProviderRefused, match=said):
        await rent(vast)
    assert peer.hosts == {}


@pytest.mark.parametrize("text", ["[]", "<html>", '{"offers": [{"id": "x"}]}', '{"instances": 3}'])
async def test_an_answer_that_nobody_understands_is_no_answer(vast: VastHosts, peer: VastPeer, text: str) -> None:
    peer.faults = [Fault("search", status=200, text=text), Fault("list", status=200, text=text)]
    with pytest.raises(ProviderAway, match="cannot be read"):
        await search(vast)
    with pytest.raises(ProviderAway, match="cannot be read"):
        await vast.list_by_label("maru-")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("<html>", CreateUnsure), ('{"success": true}', CreateUnsure), ('{"success": false}', ProviderRefused)],
)
async def test_an_order_whose_answer_says_nothing(
    vast: VastHosts, peer: VastPeer, text: str, problem: type[Exception]
) -> None:
    peer.offer(0.4)
    peer.faults = [Fault("create", status=200, text=text)]
    with pytest.raises(problem):
        await rent(vast)


async def test_without_a_connection_nothing_was_ordered(pauses: Pauses) -> None:
    vast = VastHosts("http://127.0.0.1:9", "key", sleep=pauses)
    offer = Offer("1", "2", "RTX 4090", 24, 400_000)
    with pytest.raises(ProviderAway) as away:
        await vast.create(offer, ORDER)
    assert not isinstance(away.value, CreateUnsure)
    assert len(pauses.seconds) == 3
    await vast.close()


async def test_logs_name_neither_key_nor_token(
    vast: VastHosts, peer: VastPeer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    peer.offer(0.4)
    peer.faults = [Fault("list", status=500), Fault("create", lost=True)]
    await vast.list_by_label("maru-")
    with pytest.raises(CreateUnsure):
        await rent(vast)
    assert peer.api_key not in caplog.text
    assert "wk_secret" not in caplog.text
