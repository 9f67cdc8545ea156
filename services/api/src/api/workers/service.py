"""Worker tokens: made, listed, rotated, revoked. A secret leaves this module once and is kept as a hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from shared.studio import worker_tokens

from api.workers import store
from api.workers.errors import RotationUnderWay, WorkerTokenNotFound
from api.workers.schemas import MadeWorkerToken, NewWorkerToken, Rotation, WorkerToken, WorkerTokenList

if TYPE_CHECKING:
    from shared.db import Connection, Database

_LISTED = 500
_LIVE_AT_MOST = 2
_REVOKED_KEPT_DAYS = 90
_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class WorkerTokenService:
    """Tokens belong to the installation, not to a person. Whoever calls has made sure that an administrator asks."""

    database: Database

    async def create(self, new: NewWorkerToken, created_by: UUID | None) -> MadeWorkerToken:
        """Make a token; a second call makes a second one."""
        token, token_id, digest = worker_tokens.make_token()
        async with self.database.service_tx() as connection:
            await store.add(connection, token_id, new, round(new.price_per_hour * _MICROS), created_by)
            await store.add_version(connection, token_id, digest, new.expires_in_days)
            return await _made(connection, token_id, token)

    async def rotate(self, token_id: str, how: Rotation) -> MadeWorkerToken:
        """Give a token another secret; the one before stays valid for a while, so that workers can be told."""
        token, _, digest = worker_tokens.make_token(token_id)
        async with self.database.service_tx() as connection:
            if not await store.lock(connection, token_id):
                raise WorkerTokenNotFound
            if how.grace_hours > 0 and await store.count_live(connection, token_id) >= _LIVE_AT_MOST:
                raise RotationUnderWay
            await store.end_versions(connection, token_id, how.grace_hours * 3600)
            await store.add_version(connection, token_id, digest, how.expires_in_days)
            return await _made(connection, token_id, token)

    async def revoke(self, token_id: str) -> None:
        """End a token and all its versions at once; a second call changes nothing."""
        async with self.database.service_tx() as connection:
            if not await store.revoke(connection, token_id):
                raise WorkerTokenNotFound

    async def newest(self) -> WorkerTokenList:
        """Every token, the revoked ones of the last months too."""
        async with self.database.service_tx() as connection:
            rows = await store.newest(connection, _LISTED)
        return WorkerTokenList(worker_tokens=[WorkerToken(**row) for row in rows])

    async def is_valid(self, token: str) -> bool:
        """Whether a worker could work with this token now."""
        if (read := worker_tokens.parse(token)) is None:
            return False
        token_id, digest = read
        async with self.database.service_tx() as connection:
            live = await store.live_digests(connection, token_id)
        return any(worker_tokens.same(digest, one) for one in live)

    async def forget_revoked(self) -> None:
        """A job of the sweep: nobody asks about a token that was revoked months ago."""
        async with self.database.service_tx() as connection:
            await store.forget_revoked(connection, _REVOKED_KEPT_DAYS)


async def _made(connection: Connection, token_id: str, token: str) -> MadeWorkerToken:
    row = await store.read(connection, token_id)
    assert row is not None, "it was written in this transaction"
    return MadeWorkerToken(**row, token=token)
