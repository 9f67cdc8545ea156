"""Erasing one's account: everything that is the person's own goes, and their name from what is not theirs alone.

Rows go in one transaction. What lies elsewhere (vectors, files, the account at the identity provider) follows by promises, which are kept until they
are done. Work that was under way may still write a name that it had read before: it is looked for again later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import BaseModel
from shared.outbox import enqueue_task

from api.http.forgetting import ADDRESSES_LIVE, promise_space_forgotten
from api.me import store
from api.me.errors import SpacesNeedAnOwner

if TYPE_CHECKING:
    from shared.db import Connection, Database, Principal
    from shared.outbox import Relay

    from api.http.identity import IdentityProvider

QUEUE = "erase-account"


class EraseAccount(BaseModel):
    """Whose account; the last call also forgets that there was one."""

    user_id: UUID
    last: bool = False


@dataclass(frozen=True, slots=True)
class ErasureService:
    """`erase` is the person's; `finish` keeps what it promised, and may be called any number of times."""

    database: Database
    relay: Relay
    provider: IdentityProvider
    signed_out: Callable[[UUID], None]
    """Told whose tokens are to be looked at anew."""

    async def erase(self, principal: Principal, password: str) -> None:
        """Erase whoever calls, once they have given their password again."""
        self.provider.check_can_erase()
        await self.provider.confirm(principal.user_id, principal.email, password)
        async with self.database.tenant_tx(principal) as connection:
            await store.lock_owned_spaces(connection)
            if left := await store.spaces_without_another_owner(connection):
                raise SpacesNeedAnOwner(spaces=[{"id": str(space["id"]), "name": space["name"]} for space in left])
            for space_id in await store.erase(connection):
                await promise_space_forgotten(connection, space_id, deleted_by=None)
            await self._promise(connection, principal.user_id)
        self.signed_out(principal.user_id)
        await self.relay.after_commit()

    async def finish(self, task: EraseAccount) -> None:
        """Remove the account at the provider and the name wherever it was written since. Nobody who did not ask is ever erased."""
        async with self.database.service_tx() as connection:
            if not await store.is_erased(connection, task.user_id):
                return
        await self.provider.erase(task.user_id)
        async with self.database.service_tx() as connection:
            await store.scrub(connection, task.user_id)
            if task.last:
                await store.forget_erasure(connection, task.user_id)
        self.signed_out(task.user_id)
        await self.relay.after_commit()

    async def _promise(self, connection: Connection, user_id: UUID) -> None:
        """At once; when work under way has ended; and when no token can bring the account back."""
        waits = sorted({timedelta(), ADDRESSES_LIVE, max(ADDRESSES_LIVE, self.provider.tokens_live)})
        for place, wait in enumerate(waits, 1):
            task = EraseAccount(user_id=user_id, last=place == len(waits))
            when = datetime.now(UTC) + wait if wait else None
            await enqueue_task(connection, QUEUE, f"{user_id} {place}", task.model_dump(mode="json"), when)
