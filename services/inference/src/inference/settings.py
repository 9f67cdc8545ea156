"""How the dispatcher behaves, read once by the composition root."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.settings import Env, number
from shared.storage.parts import PartRules


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """`lease_s` is how long a worker may be silent; `backoff_s` the first wait after a failure, doubled with each further one."""

    lease_s: float = 60
    backoff_s: float = 2
    parts: PartRules = field(default_factory=PartRules)

    @classmethod
    def from_env(cls, env: Env) -> DispatchSettings:
        """`MARU_LEASE_SECONDS`, `MARU_RETRY_SECONDS`, and those of `PartRules`."""
        lease_s, backoff_s = number(env, "MARU_LEASE_SECONDS", 60), number(env, "MARU_RETRY_SECONDS", 2)
        return cls(lease_s, backoff_s, PartRules.from_env(env))

    @property
    def heartbeat_s(self) -> float:
        """How often a worker should be heard: a lease survives two lost calls."""
        return self.lease_s / 3

    @property
    def silence_s(self) -> float:
        """When nobody has looked for lost leases for so long, it was us who were away."""
        return max(120, 2 * self.lease_s)

    @property
    def address_s(self) -> int:
        """How long an address of a file is good for."""
        return int(max(60, min(self.lease_s * 10, 3600)))
