"""Whatever is lost on the way, one look later no host runs that nobody knows, and the books say what is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import pytest
from inference.fleet.provider import HostProvider, ListedHost, Needs, Offer, Order
from inference.fleet.reconcile import Fleet
from shared.testing.vast_peer import Fault, VastPeer
from shared.testing.waiting import eventually


class Killed(BaseException):
    """What the process does not survive."""


class DyingAt:
    """A provider's client whose process dies before or after its nth call of a kind."""

    name = "vast"

    def __init__(self, inner: HostProvider, call: str, *, before: bool) -> None:
        self._inner = inner
        self._call = call
        self._before = before

    async def search_offers(self, needs: Needs, **limits: Any) -> list[Offer]:
        return await self._dying("search", self._inner.search_offers(needs, **limits))

    async def create(self, offer: Offer, order: Order) -> str:
        return await self._dying("create", self._inner.create(offer, order))

    async def list_by_label(self, prefix: str) -> list[ListedHost]:
        return await self._dying("list", self._inner.list_by_label(prefix))

    async def destroy(self, provider_id: str) -> None:
        return await self._dying("destroy", self._inner.destroy(provider_id))

    async def close(self) -> None:
        await self._inner.close()

    async def _dying(self, call: str, doing: Any) -> Any:
        if call == self._call and self._before:
            doing.close()
            raise Killed
        answer = await doing
        if call == self._call:
            raise Killed
        return answer


async def agree(books: Any, peer: VastPeer) -> None:
    """The books and the provider say the same: every host that costs money is known as such, by its id."""
    live = {host["label"]: host["provider_id"] for host in await books.hosts() if host["status"] != "stopped"}
    there = {host["label"]: str(host["id"]) for host in peer.hosts.values()}
    assert live == there


async def no_token_outlives_its_host(books: Any) -> None:
    left = await books.connection.fetchval(
        "SELECT count(*) FROM maru.worker_tokens t JOIN maru.gpu_hosts h ON h.token_id = t.id"
        " WHERE h.status = 'stopped' AND t.revoked_at IS NULL"
    )
    assert left == 0


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("call", ["list", "search", "create", "destroy"])
@pytest.mark.parametrize("scene", ["rent", "end", "emergency"])
async def test_a_process_that_dies_at_any_step_leaves_nothing_behind(
    fleet_with: Any, peer: VastPeer, books: Any, scene: str, call: str, before: bool
) -> None:
    peer.offer(0.3)
    peer.offer(0.4)
    await books.queue(5)
    well: Fleet = fleet_with()
    modes: Mapping[str, str] = {}
    if scene != "rent":
        await well.look()
        await books.done()
        await books.later(901)
    if scene == "emergency":
        modes = {"MARU_FLEET": "off"}
        well = fleet_with(**modes)
    dying: Fleet = fleet_with(lambda vast: DyingAt(vast, call, before=before), **modes)

    with contextlib.suppress(Killed):
        await dying.look()
    # A host that was never created is known to be missing only once a list that lags behind would show it.
    await books.later(181)
    await well.look()

    await agree(books, peer)
    await no_token_outlives_its_host(books)
    if scene != "rent":
        assert peer.hosts == {}


@pytest.mark.parametrize("fault", [{"lost": True}, {"status": 500}, {"dropped": True}])
async def test_an_order_whose_answer_is_lost_is_found_by_its_label(
    fleet: Fleet, peer: VastPeer, books: Any, fault: dict[str, Any]
) -> None:
    peer.offer(0.3)
    peer.offer(0.4)
    await books.queue(5)
    peer.faults = [Fault("create", **fault)]
    look = await fleet.look()
    assert "not certain" in look.troubles[0]
    assert (await books.host())["provider_id"] is None
    await fleet.look()
    if "lost" in fault:
        await agree(books, peer)
        assert len(peer.hosts) == 1
        assert (await books.host())["provider_id"] is not None
    else:
        await books.later(181)
        await books.done()
        await fleet.look()
        host = await books.host()
        assert (host["status"], host["reason"], host["cost_micros"]) == ("stopped", "not_created", 0)


@pytest.mark.parametrize("fault", [{"lost": True}, {"status": 500}, {"dropped": True}])
async def test_an_end_whose_answer_is_lost_is_made_sure_of(
    fleet: Fleet, peer: VastPeer, books: Any, fault: dict[str, Any]
) -> None:
    peer.offer(0.3)
    await books.queue(5)
    await fleet.look()
    await books.done()
    await books.later(901)
    gone = "lost" in fault
    peer.faults = [Fault("destroy", **fault)] * (1 if gone else 4)
    look = await fleet.look()
    assert (await books.host())["status"] == ("stopped" if gone else "stopping")
    assert bool(look.troubles) != gone
    await books.later(60)
    await fleet.look()
    assert peer.hosts == {}
    assert (await books.host())["status"] == "stopped"


async def test_a_provider_that_does_not_answer_changes_nothing(fleet: Fleet, peer: VastPeer, books: Any) -> None:
    peer.offer(0.3)
    await books.queue(5)
    peer.faults = [Fault("list", status=500)] * 4
    look = await fleet.look()
    assert look.troubles
    assert await books.hosts() == []
    await fleet.look()
    host = await books.host()
    await books.later(3600)
    await books.register(host)
    peer.faults = [Fault("list", status=500)] * 4
    await fleet.look()
    assert (await books.host())["status"] == "running"


async def test_while_it_lists_nothing_known_hosts_can_still_be_ended(fleet: Fleet, peer: VastPeer, books: Any) -> None:
    peer.offer(0.3)
    await books.queue(5)
    await fleet.look()
    await books.later(901)
    peer.faults = [Fault("list", status=500)] * 4
    await fleet.look()
    assert peer.hosts == {}
    assert (await books.host())["reason"] == "boot_timeout"


async def test_a_list_that_lags_behind_ends_no_young_host_and_brings_no_dead_one_back(
    fleet: Fleet, peer: VastPeer, books: Any
) -> None:
    peer.offer(0.3)
    await books.queue(5)
    peer.freeze_list()
    await fleet.look()
    await books.later(100)
    await fleet.look()
    assert (await books.host())["status"] == "starting"
    peer.freeze_list()
    await books.done()
    await books.later(901)
    await fleet.look()
    assert peer.hosts == {}
    await fleet.look()
    assert [host["status"] for host in await books.hosts()] == ["stopped"]
    peer.thaw_list()
    assert (await fleet.look()).destroyed == []


async def test_a_host_that_was_given_up_and_appears_after_all_is_destroyed(
    fleet: Fleet, peer: VastPeer, books: Any
) -> None:
    peer.offer(0.3)
    await books.queue(5)
    peer.freeze_list()
    peer.faults = [Fault("create", lost=True)]
    await fleet.look()
    await books.done()
    await books.later(181)
    await fleet.look()
    assert (await books.host())["reason"] == "not_created"
    assert len(peer.hosts) == 1
    peer.thaw_list()
    await fleet.look()
    assert peer.hosts == {}


async def test_hosts_with_our_label_that_nobody_knows_are_destroyed_and_others_left(
    fleet: Fleet, peer: VastPeer, books: Any
) -> None:
    prefix = fleet.settings.label_prefix
    for label in (f"{prefix}1234", f"{prefix}", None, "maru-elsewhere-1", "training"):
        peer.host(label)
    await fleet.look()
    assert peer.labels() == [None, "maru-elsewhere-1", "training"]


async def test_of_two_hosts_with_one_label_one_is_kept(fleet: Fleet, peer: VastPeer, books: Any) -> None:
    peer.offer(0.3)
    await books.queue(5)
    await fleet.look()
    known = await books.host()
    peer.host(known["label"])
    await fleet.look()
    assert [str(number) for number in peer.hosts] == [known["provider_id"]]


async def test_a_host_that_somebody_destroyed_by_hand_leaves_the_books(
    fleet: Fleet, peer: VastPeer, books: Any
) -> None:
    peer.offer(0.3)
    await books.queue(5)
    await fleet.look()
    worker = await books.register(await books.host())
    await books.claim(worker)
    await fleet.look()
    peer.hosts.clear()
    await books.later(200)
    await fleet.look()
    assert (await books.host())["status"] == "running", "its worker was heard just now"
    await books.done()
    await books.later(200, silent=True)
    await fleet.look()
    host = await books.host()
    assert (host["status"], host["reason"]) == ("stopped", "vanished")


async def test_two_fleets_at_once_rent_no_more_than_one(fleet_with: Any, peer: VastPeer, books: Any) -> None:
    for _ in range(9):
        peer.offer(0.3)
    await books.queue(9000)
    looks = await asyncio.gather(*(fleet_with().look() for _ in range(5)))
    assert sum(not look.busy for look in looks) >= 1
    assert len(peer.hosts) == 2
    await agree(books, peer)


class NeverAnswering(DyingAt):
    """A provider whose answer to one kind of call does not come."""

    def __init__(self, inner: HostProvider, call: str, *, once: bool = False) -> None:
        super().__init__(inner, call, before=False)
        self.asked = asyncio.Event()
        self._once = once

    async def _dying(self, call: str, doing: Any) -> Any:
        answer = await doing
        if call == self._call and not (self._once and self.asked.is_set()):
            self.asked.set()
            await asyncio.Event().wait()
        return answer


async def test_a_look_that_is_broken_off_is_gone_on_with(fleet_with: Any, peer: VastPeer, books: Any) -> None:
    peer.offer(0.3)
    await books.queue(5)
    slow: list[NeverAnswering] = []

    def never(vast: HostProvider) -> HostProvider:
        slow.append(NeverAnswering(vast, "create"))
        return slow[0]

    look = asyncio.create_task(fleet_with(never).look())
    await asyncio.wait_for(slow[0].asked.wait(), 30)
    look.cancel()
    await asyncio.wait([look])
    assert len(peer.hosts) == 1
    assert (await books.host())["provider_id"] is None
    await fleet_with().look()
    await agree(books, peer)


async def test_a_host_that_cannot_be_ended_does_not_keep_the_others(
    fleet_with: Any, peer: VastPeer, books: Any
) -> None:
    fleet: Fleet = fleet_with(lambda vast: NeverAnswering(vast, "destroy", once=True), MARU_FLEET="off")
    for number in range(5):
        peer.host(f"{fleet.settings.label_prefix}{number}")
    looking = asyncio.create_task(fleet.look())
    await eventually(lambda: peer.hosts == {})
    looking.cancel()
    await asyncio.wait([looking])


async def test_a_look_ends_in_time_and_says_so(fleet_with: Any, peer: VastPeer, books: Any) -> None:
    look = await fleet_with(lambda vast: NeverAnswering(vast, "list")).look(at_most_s=0.1)
    assert "not over within 0.1 s" in look.troubles[-1]


async def test_a_fleet_that_is_off_ends_what_it_rented(fleet_with: Any, peer: VastPeer, books: Any) -> None:
    peer.offer(0.3)
    await books.queue(5)
    await fleet_with().look()
    worker = await books.register(await books.host())
    await books.claim(worker)
    off: Fleet = fleet_with(MARU_FLEET="off")
    peer.host(f"{off.settings.label_prefix}unknown")
    await off.look()
    assert peer.hosts == {}
    host = await books.host()
    assert (host["status"], host["reason"]) == ("stopped", "fleet_off")
