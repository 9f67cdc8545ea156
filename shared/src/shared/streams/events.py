"""What a stream is made of."""

from dataclasses import dataclass
from typing import Any, Literal

StreamStatus = Literal["running", "done", "failed", "cancelled", "interrupted"]

# Clients end their wait on these; a stream of any kind closes with exactly one.
TERMINAL_EVENTS = frozenset({"done", "failed", "error", "cancelled", "interrupted"})


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event; `seq` grows within a stream and may leave gaps."""

    seq: int
    type: str
    data: dict[str, Any]

    @property
    def terminal(self) -> bool:
        """Whether the stream ends here."""
        return self.type in TERMINAL_EVENTS
