"""The port to whoever rents out hosts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.errors import Problem, Unavailable


@dataclass(frozen=True, slots=True)
class Needs:
    """What a host must have: a part of its GPU's name, and the memory of one GPU."""

    gpu: str | None = None
    min_gpu_memory_gib: float = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """A machine that can be had at this price, everything included but traffic."""

    id: str
    machine_id: str
    gpu_name: str
    gpu_memory_gib: float
    price_micros_per_hour: int


@dataclass(frozen=True, slots=True)
class Order:
    """What is to run on a host. `env` holds the worker's token."""

    label: str
    image: str
    disk_gib: int
    env: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ListedHost:
    """A host as the provider lists it; `dead` says that its container has ended or was stopped, which still costs its disk."""

    provider_id: str
    label: str
    machine_id: str | None
    price_micros_per_hour: int | None
    dead: bool


class HostProvider(Protocol):
    """Rents out hosts. Every call either does what it says or raises one of this module's problems."""

    name: str

    async def search_offers(self, needs: Needs, *, max_price_micros: int, disk_gib: int, life_s: float) -> list[Offer]:
        """Offers that meet the needs, the cheapest first, each to be had for `life_s` from now. Changes nothing, however often it is called."""
        ...

    async def create(self, offer: Offer, order: Order) -> str:
        """Rent the offer; the provider's id of the host.

        A second call rents a second host, so it is never repeated here: `OfferGone` and `ProviderRefused` say that nothing was rented,
        `CreateUnsure` that it may have been, and then `list_by_label` tells.
        """
        ...

    async def list_by_label(self, prefix: str) -> list[ListedHost]:
        """Every host of the account whose label begins so, of all pages or none. Changes nothing; may lag behind `create` and `destroy`."""
        ...

    async def destroy(self, provider_id: str) -> None:
        """End a host and its costs. A second call finds it gone, which is as good."""
        ...

    async def close(self) -> None:
        """Let go of connections. A second call finds none."""
        ...


class ProviderAway(Unavailable):
    """It does not answer, or has had enough of us for the moment."""

    code = "host_provider_unavailable"
    default_detail = "The provider of hosts does not answer. The next look at the fleet, in a minute, tries again."


class ProviderRefused(Problem):
    """It answered that it won't, and nothing was done."""

    status = 502
    code = "host_provider_refused"
    title = "The provider of hosts refused"


class OfferGone(ProviderRefused):
    """Somebody else was faster, or the machine left."""

    code = "offer_gone"
    default_detail = "The offer is no longer to be had."


class CreateUnsure(ProviderAway):
    """The host may have been rented or not."""

    code = "host_create_unsure"
    default_detail = (
        "It is not certain that the host was rented. It is found by its label at the next look at the fleet."
    )


def fits(offer_gpu: str, needs: Needs, gpu_memory_gib: float) -> bool:
    """Whether a GPU of this name and memory meets the needs.

    Names are compared without case and punctuation: one calls `A100 SXM4` what another calls `A100-SXM4-80GB`.
    """
    named = needs.gpu is None or _plain(needs.gpu) in _plain(offer_gpu)
    return named and gpu_memory_gib >= needs.min_gpu_memory_gib


def without(offers: Collection[Offer], machines: Collection[str]) -> list[Offer]:
    """The offers on other machines than these."""
    return [offer for offer in offers if offer.machine_id not in machines]


def _plain(name: str) -> str:
    return " ".join("".join(letter if letter.isalnum() else " " for letter in name.casefold()).split())
