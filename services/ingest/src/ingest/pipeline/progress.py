"""How far the work on an entry is: written in as few transactions as what people see allows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from ingest.pipeline import store
from ingest.pipeline.work import Advance, Ending, Present, State, StepName, Work

if TYPE_CHECKING:
    from shared.db import Connection, Database
    from shared.streams import StreamHub

_SIGN_OF_LIFE_S = 10.0


class Progress:
    """Collects steps that are done and writes them with whatever is written next.

    A quick step is worth no transaction of its own; before a slow one `begin` shows what is going on.
    """

    def __init__(
        self, work: Work, database: Database, hub: StreamHub, *, sign_of_life_s: float = _SIGN_OF_LIFE_S
    ) -> None:
        self.claim = work.claim
        self.step: StepName = "parse"
        self.attempt = work.attempt
        self._database = database
        self._hub = hub
        self._sign_of_life_s = sign_of_life_s
        self._finished = {step for step, state in work.steps.items() if state in {"done", "skipped"}}
        self._waiting: list[tuple[StepName, State]] = []

    def done(self, step: StepName, state: State = "done") -> None:
        """A step has come to its end; written with the next transaction."""
        self._waiting.append((step, state))

    async def begin(self, step: StepName) -> None:
        """Show that a slow step has begun."""
        async with self.saving((step, "running")):
            pass

    @asynccontextmanager
    async def saving(
        self, *steps: tuple[StepName, State], indexed: bool = False, ending: Ending | None = None
    ) -> AsyncGenerator[tuple[Connection, Present]]:
        """A transaction that writes what is done, and these steps, and holds the entry's row; more may be written in it.

        Raises `ClaimLost`. What fails to commit is as if it had not been begun.
        """
        changes = (*self._waiting, *steps)
        fresh = {step for step, state in changes if state in {"done", "skipped"}} - self._finished
        advance = Advance(changes, bool(fresh), indexed, ending)
        async with self._database.space_tx(self.claim.space_id) as connection:
            yield connection, await store.advance(connection, self.claim, advance)
        self._waiting.clear()
        self._hub.wake(self.claim.stream_id)
        if fresh:
            self._finished |= fresh
            self.attempt = 1

    @asynccontextmanager
    async def alive(self) -> AsyncGenerator[None]:
        """Give signs of life while the block runs, so that slow work is not taken for dead work."""
        beating = asyncio.create_task(self._beat(), name=f"alive-{self.claim.entry_id}")
        try:
            yield
        finally:
            beating.cancel()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._sign_of_life_s)
            # Neither a lost claim nor a database that is away ends the work here: its next write meets the same.
            with suppress(Exception):
                async with self._database.space_tx(self.claim.space_id) as connection:
                    await store.show_life(connection, self.claim)
