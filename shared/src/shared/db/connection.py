"""What a store function is handed: a connection inside a transaction that somebody else opened and will end."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

Record = Mapping[str, Any]


class Connection(Protocol):
    """The part of an asyncpg connection that stores use."""

    async def execute(self, query: str, *args: Any) -> str:
        """Run a statement; the answer is its command tag, such as `UPDATE 1`."""
        ...

    async def executemany(self, command: str, args: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each row of arguments, in one round trip."""
        ...

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """All rows."""
        ...

    async def fetchrow(self, query: str, *args: Any) -> Any | None:
        """The first row, or None."""
        ...

    async def fetchval(self, query: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        ...
