"""Addresses of the parts of a large file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from shared.storage import PartsGone
from shared.storage.keys import incoming_key
from shared.storage.parts import PartPlan

from api.uploads import store
from api.uploads.errors import UploadInOnePiece, UploadIsReady, UploadNotFound
from api.uploads.schemas import PartAddress, UploadParts

if TYPE_CHECKING:
    from shared.db import Database, Principal, Record
    from shared.storage import ObjectStore, Part

    from api.uploads.limits import UploadLimits

# How many addresses one answer has.
PAGE = 100


class UploadInParts:
    """Begins and goes on with uploads in parts."""

    def __init__(self, database: Database, storage: ObjectStore, limits: UploadLimits) -> None:
        self._database = database
        self._storage = storage
        self._limits = limits

    async def begin(self, principal: Principal, upload_id: UUID, content_type: str) -> UploadParts | None:
        """The first addresses, or None for a file that goes in one piece. A second call goes on where the first was."""
        async with self._database.tenant_tx(principal) as connection:
            upload = await store.read(connection, upload_id)
        if upload is None:
            raise UploadNotFound
        if upload["parts_id"] is None:
            plan = self._limits.parts.plan(upload["size"])
            if plan is None:
                return None
            await self._open(principal, upload, plan, content_type)
        return await self.missing(principal, upload_id, 0, PAGE)

    async def missing(self, principal: Principal, upload_id: UUID, after: int, limit: int) -> UploadParts:
        """What has come, and where the next parts that have not can be put."""
        async with self._database.tenant_tx(principal) as connection:
            upload = await store.read(connection, upload_id)
        if upload is None:
            raise UploadNotFound
        if upload["status"] == "ready":
            raise UploadIsReady
        if upload["parts_id"] is None:
            raise UploadInOnePiece
        plan = PartPlan(upload["size"], upload["part_size"])
        there = await self._listed(upload, plan)
        missing = set(plan.missing(there))
        wanted = sorted(number for number in missing if number > after)[:limit]
        addresses = await asyncio.gather(*(self._address(upload, plan, number) for number in wanted))
        received = [number for number in range(1, plan.count + 1) if number not in missing]
        return UploadParts(
            id=upload_id, part_size=plan.part_size, part_count=plan.count, received=received, parts=addresses
        )

    async def _open(self, principal: Principal, upload: Record, plan: PartPlan, content_type: str) -> None:
        key = incoming_key(upload["object_key"])
        parts_id = await self._storage.begin_parts(key, content_type=content_type)
        async with self._database.tenant_tx(principal) as connection:
            kept = await store.keep_parts(connection, upload["id"], parts_id, plan.part_size)
        if kept != parts_id:
            # The same request beside this one was faster, or the upload was taken back.
            await self._storage.abort_parts(key, parts_id)
        if kept is None:
            raise UploadNotFound

    async def _listed(self, upload: Record, plan: PartPlan) -> Sequence[Part]:
        """The parts in the store; all of them once they are put together, which a call whose answer was lost may have done."""
        key = upload["object_key"]
        try:
            return await self._storage.list_parts(incoming_key(key), upload["parts_id"])
        except PartsGone:
            if await self._storage.head(incoming_key(key)) is None and await self._storage.head(key) is None:
                raise
            return plan.all()

    async def _address(self, upload: Record, plan: PartPlan, number: int) -> PartAddress:
        size = plan.size_of(number)
        request = await self._storage.presign_part(
            incoming_key(upload["object_key"]),
            upload["parts_id"],
            number,
            size=size,
            expires_s=self._limits.address_s,
        )
        return PartAddress(
            number=number,
            url=request.url,
            method="PUT",
            headers=dict(request.headers),
            size=size,
            expires_at=request.expires_at,
        )
