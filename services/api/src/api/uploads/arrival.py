"""A file that has arrived: which version is meant, moved out of reach of its address, and checked there.

Whoever holds the address may send another file at any moment, also while this one is looked at. So the version that was found first is written
down, and only that one is ever moved to where files are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.storage import ObjectChanged, ObjectMissing, PartsGone
from shared.storage.keys import display_key, incoming_key, thumbnail_key
from shared.storage.parts import PartPlan, assemble

from api.uploads import store
from api.uploads.checking import check
from api.uploads.errors import UploadMismatch, UploadNotFound, UploadNotReceived, UploadReplaced

if TYPE_CHECKING:
    from shared.db import Database, Principal, Record
    from shared.storage import ObjectInfo, ObjectStore


class Arrival:
    """Takes files in."""

    def __init__(self, database: Database, storage: ObjectStore) -> None:
        self._database = database
        self._storage = storage

    async def take_in(self, principal: Principal, upload: Record) -> str:
        """Move the file out of reach of its address, then check it there: what is checked is what is kept. Answers its SHA-256 (hex)."""
        try:
            await self._promote(principal, upload)
            info = await self._storage.head(upload["object_key"])
            if info is None:
                raise UploadNotReceived
            return await check(self._storage, upload, info)
        except UploadMismatch:
            async with self._database.tenant_tx(principal) as connection:
                if await store.remove_pending(connection, upload["id"]):
                    await self.forget(upload)
            raise

    async def forget(self, upload: Record) -> None:
        """Remove whatever there is of it in the store."""
        key = upload["object_key"]
        if upload["parts_id"] is not None:
            await self._storage.abort_parts(incoming_key(key), upload["parts_id"])
        await self._storage.delete([incoming_key(key), key, thumbnail_key(key), display_key(key)])

    async def _promote(self, principal: Principal, upload: Record) -> None:
        arrived = await self._arrived(upload)
        if arrived is None:
            # Taken in by a call whose answer was lost, or not here at all.
            if await self._storage.head(upload["object_key"]) is None:
                raise UploadNotReceived
            return
        async with self._database.tenant_tx(principal) as connection:
            etag = await store.pin(connection, upload["id"], arrived.etag)
        if etag is None:
            await self._not_pending(principal, upload)
            return
        try:
            await self._storage.promote(
                incoming_key(upload["object_key"]), upload["object_key"], content_type=upload["content_type"], etag=etag
            )
        except ObjectMissing as missing:
            raise UploadNotReceived from missing
        except ObjectChanged as changed:
            raise UploadReplaced from changed

    async def _arrived(self, upload: Record) -> ObjectInfo | None:
        key = incoming_key(upload["object_key"])
        whole = await self._storage.head(key)
        if whole is not None or upload["parts_id"] is None:
            return whole
        try:
            return await assemble(self._storage, key, upload["parts_id"], PartPlan(upload["size"], upload["part_size"]))
        except PartsGone:
            # Put together by somebody beside us: it lies here until it is taken in.
            return await self._storage.head(key)

    async def _not_pending(self, principal: Principal, upload: Record) -> None:
        """Somebody else completed it in this very moment, or it was taken back."""
        async with self._database.tenant_tx(principal) as connection:
            if await store.read(connection, upload["id"]) is None:
                raise UploadNotFound
