"""From a queue to a host and back to none: real Postgres, Vast's API over the wire."""

from __future__ import annotations

from inference.fleet.reconcile import Fleet
from shared.testing.vast_peer import VastPeer


async def test_a_host_is_rented_for_what_is_queued_and_ends_when_nothing_is(
    fleet: Fleet, peer: VastPeer, books
) -> None:
    peer.offer(0.9)
    cheap = peer.offer(0.3)
    await books.queue(10)

    look = await fleet.look()
    assert look.troubles == []
    assert [offer.id for offer in look.rented] == [str(cheap)]
    host = await books.host()
    assert (host["status"], host["price_micros_per_hour"]) == ("starting", 300_000)
    assert peer.labels() == [host["label"]]

    worker = await books.register(host)
    await books.claim(worker, 3)
    await fleet.look()
    assert (await books.host())["status"] == "running"

    await books.done()
    await fleet.look()
    await books.later(299)
    await fleet.look()
    assert (await books.host())["status"] == "running"
    await books.later(2)
    await fleet.look()
    assert (await books.host())["status"] == "stopping"
    await books.later(10)
    await fleet.look()
    host = await books.host()
    assert (host["status"], host["reason"]) == ("stopped", "idle")
    assert host["cost_micros"] > 0
    assert peer.labels() == []


async def test_nothing_queued_rents_nothing(fleet: Fleet, peer: VastPeer, books) -> None:
    peer.offer(0.3)
    assert (await fleet.look()).actions == []
    assert await books.hosts() == []
