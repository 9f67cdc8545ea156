"""What the provider lists beside what we know, pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from inference.fleet.hosts import Host, StopReason
from inference.fleet.provider import ListedHost

# So long after its birth a host may be missing from a list that lags behind.
GRACE_S = 180.0
# A worker that was heard within this time lives, whatever the list says.
_HEARD_S = 90.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A host of ours that the provider does not have."""

    host: Host
    reason: StopReason


@dataclass(frozen=True, slots=True)
class Comparison:
    """`hosts`: those that go on, as they are listed. `ended`: ours alone. `strangers`: the provider's alone, to be destroyed."""

    hosts: tuple[Host, ...]
    ended: tuple[Ended, ...]
    strangers: tuple[ListedHost, ...]


def compare(ours: Collection[Host], listed: Collection[ListedHost]) -> Comparison:
    """Match hosts by label. `ours` are those that have not stopped, so a listed host that has is a stranger."""
    rest = {one.provider_id: one for one in listed}
    going_on: list[Host] = []
    ended: list[Ended] = []
    for host in ours:
        twin = _twin(host, rest.values())
        if twin is not None:
            del rest[twin.provider_id]
            going_on.append(_as_listed(host, twin))
        elif (reason := _why_ended(host)) is not None:
            ended.append(Ended(host, reason))
        else:
            going_on.append(host)
    return Comparison(tuple(going_on), tuple(ended), tuple(rest.values()))


def _twin(host: Host, listed: Collection[ListedHost]) -> ListedHost | None:
    """The listed host with our label; of several the one that we know."""
    twins = [one for one in listed if one.label == host.label]
    return next((one for one in twins if one.provider_id == host.provider_id), twins[0] if twins else None)


def _as_listed(host: Host, twin: ListedHost) -> Host:
    price = max(host.price_micros_per_hour, twin.price_micros_per_hour or 0)
    return replace(
        host,
        provider_id=twin.provider_id,
        machine_id=twin.machine_id or host.machine_id,
        price_micros_per_hour=price,
        dead=twin.dead,
    )


def _why_ended(host: Host) -> StopReason | None:
    if host.status == "stopping":
        return host.reason or "asked"
    heard = host.worker is not None and host.worker.silent_s < _HEARD_S
    if host.age_s < GRACE_S or heard:
        return None
    return "not_created" if host.provider_id is None else "vanished"
