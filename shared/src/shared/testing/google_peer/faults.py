"""What goes wrong on purpose."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

import grpc


class Refusal(Exception):
    """A request that is answered with a gRPC status."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status, self.text = grpc.StatusCode[status], text


@dataclass(frozen=True, slots=True)
class Fault:
    """The next `times` calls of `method` (`Publish`, `CreateTask`, …) go wrong, of `resource` only when one is given.

    `status`: refused with it. `lost`: it happens, but the answer is UNAVAILABLE. `stall_s`: it takes its time first; when the client has given up
    meanwhile, nothing happens, unless it is `lost` too.
    """

    method: str
    times: int = 1
    status: str | None = None
    lost: bool = False
    stall_s: float = 0
    resource: str | None = None


class Faults:
    """Those still to come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Fault] = []
        self._left: list[int] = []
        self._redeliveries: Counter[str] = Counter()
        self.out_of_order = False
        """Subscriptions forget that they keep an order, and begin with what came last."""

    def add(self, fault: Fault) -> None:
        """Behind those that were added before."""
        with self._lock:
            self._calls.append(fault)
            self._left.append(fault.times)

    def clear(self) -> None:
        """Everything works again."""
        with self._lock:
            self._calls.clear()
            self._left.clear()
            self._redeliveries.clear()
            self.out_of_order = False

    def redeliver(self, name: str, times: int = 1) -> None:
        """The next `times` acknowledged deliveries of this subscription or queue are delivered again: at least once means that."""
        with self._lock:
            self._redeliveries[name] += times

    def take(self, method: str, resource: str) -> Fault | None:
        """The fault for this call, which is then spent."""
        with self._lock:
            for place, fault in enumerate(self._calls):
                if fault.method == method and self._left[place] and fault.resource in {None, resource}:
                    self._left[place] -= 1
                    return fault
        return None

    def take_redelivery(self, name: str) -> bool:
        """Whether the delivery that was acknowledged now is to be repeated."""
        with self._lock:
            if self._redeliveries[name] <= 0:
                return False
            self._redeliveries[name] -= 1
            return True
