"""Large outputs in parts: begun once for an attempt, and gone on with whenever its worker asks again."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.contracts.dispatch import PresignedPart
from shared.storage import PartsGone
from shared.storage.keys import incoming_key, output_key
from shared.storage.parts import PartPlan

from inference import queue

if TYPE_CHECKING:
    from shared.contracts.dispatch import PresignRequest
    from shared.db import Database
    from shared.storage import ObjectStore

    from inference.queue import Credentials

# How many addresses one answer has.
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Parted:
    """An output that comes in parts: where, how it is cut, and which parts have not come."""

    key: str
    parts_id: str
    plan: PartPlan
    missing: list[int]


class PartedOutputs:
    """Opens uploads in parts for held tasks."""

    def __init__(self, database: Database, storage: ObjectStore, expires_s: int) -> None:
        self._database = database
        self._storage = storage
        self._expires_s = expires_s

    async def begin(
        self, credentials: Credentials, wanted: PresignRequest, upload: dict[str, Any], plan: PartPlan
    ) -> Parted | None:
        """What this attempt has sent of this output so far, or a new beginning; None when the task is not held."""
        tasks = [(wanted.task_id, wanted.attempt)]
        found = await queue.allowed_uploads(self._database, credentials, tasks)
        if not found:
            return None
        allowed = json.loads(found[0])
        final = output_key(UUID(allowed["space_id"]), UUID(allowed["job_id"]), wanted.task_id, wanted.attempt)
        before = allowed["upload"] or {}
        if "parts_id" in before and {**before, **upload} == before:
            plan = PartPlan(upload["size"], before["part_size"])
            missing = await self._missing(final, before["parts_id"], plan)
            if missing is not None:
                return Parted(incoming_key(final), before["parts_id"], plan, missing)
        parts_id = await self._storage.begin_parts(incoming_key(final), content_type=upload["content_type"])
        return Parted(incoming_key(final), parts_id, plan, plan.missing([]))

    async def addresses(self, parted: Parted) -> list[PresignedPart]:
        """Where the next missing parts can be put."""
        return list(await asyncio.gather(*(self._address(parted, number) for number in parted.missing[:_PAGE])))

    async def _missing(self, final: str, parts_id: str, plan: PartPlan) -> list[int] | None:
        """None when there is nothing to go on with."""
        try:
            return plan.missing(await self._storage.list_parts(incoming_key(final), parts_id))
        except PartsGone:
            together = await self._storage.head(incoming_key(final)) or await self._storage.head(final)
            return [] if together else None

    async def _address(self, parted: Parted, number: int) -> PresignedPart:
        size = parted.plan.size_of(number)
        request = await self._storage.presign_part(
            parted.key, parted.parts_id, number, size=size, expires_s=self._expires_s
        )
        return PresignedPart(number=number, url=request.url, headers=dict(request.headers), size=size)
