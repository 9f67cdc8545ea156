"""Which queues a worker is served from, and in which order; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.studio.matching import can_run

if TYPE_CHECKING:
    from shared.contracts.dispatch import Capabilities

    from inference.queue import Queue


class Rotation:
    """Queues that were served longest ago come first, so that no kind of work waits for the end of another. In memory, since it is about moments."""

    def __init__(self) -> None:
        self._served: dict[int, int] = {}
        self._clock = 0

    def order(self, queues: Sequence[int]) -> list[int]:
        """These queues, the one served longest ago first."""
        return sorted(queues, key=lambda queue: (self._served.get(queue, 0), queue)) if len(queues) > 1 else [*queues]

    def serve(self, queue: int) -> None:
        """This queue has just been served."""
        self._clock += 1
        self._served[queue] = self._clock


def servable(queues: Sequence[Queue], capabilities: Capabilities) -> list[int]:
    """The queues whose tasks a worker can do."""
    return [queue.id for queue in queues if can_run(capabilities, queue.runner, queue.requires)]
