"""Looks at what a worker uploaded before its report is believed, and puts it where no address of the worker reaches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.errors import Problem
from shared.storage import ObjectChanged, ObjectMissing, PartsGone, PartsMissing, PartsRefused
from shared.storage.keys import incoming_key, output_key
from shared.storage.media import HEAD_BYTES
from shared.storage.parts import PartPlan, assemble
from shared.studio.outputs import plausible

from inference import queue
from inference.errors import OutputDiffers, OutputMissing, OutputNotAllowed

if TYPE_CHECKING:
    from shared.contracts.dispatch import Report
    from shared.db import Database
    from shared.storage import ObjectInfo, ObjectStore

    from inference.queue import Credentials

_AT_ONCE = 8


def names_output(report: Report) -> bool:
    """Whether a report says where its output lies; what a failed attempt left behind is nobody's output."""
    return report.status == "done" and report.output_path is not None


class Outputs:
    """Compares what lies in the store with what the attempt was allowed to put there."""

    def __init__(self, database: Database, storage: ObjectStore) -> None:
        self._database = database
        self._storage = storage
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def look_at(self, credentials: Credentials, reports: Sequence[Report]) -> dict[UUID, Problem | None]:
        """What is wrong, or None, with the outputs that these reports name, by task.

        One that is not in the answer could not be taken anyway, and whoever takes reports says why.
        """
        naming = [report for report in reports if names_output(report)]
        if not naming:
            return {}
        found = await queue.allowed_uploads(
            self._database, credentials, [(report.task_id, report.attempt) for report in naming]
        )
        allowed = {UUID(upload["task_id"]): upload for upload in map(json.loads, found)}
        looked_at = [report for report in naming if report.task_id in allowed]
        verdicts = await asyncio.gather(*(self._verdict(report, allowed[report.task_id]) for report in looked_at))
        return {report.task_id: verdict for report, verdict in zip(looked_at, verdicts, strict=True)}

    async def _verdict(self, report: Report, found: dict[str, Any]) -> Problem | None:
        upload = found["upload"]
        key = output_key(UUID(found["space_id"]), UUID(found["job_id"]), report.task_id, report.attempt)
        if report.output_path != key or not upload or upload["attempt"] != report.attempt:
            return OutputNotAllowed()
        async with self._places:
            return await self._keep(key, upload)

    async def _keep(self, key: str, upload: dict[str, Any]) -> Problem | None:
        """Take in what arrived. A report that is repeated finds it taken in, and is told the same."""
        try:
            await self._take_in(key, upload)
        except OutputDiffers as differs:
            if "parts_id" in upload:
                # Its parts are together by now: gone, so that they can come anew.
                await self._storage.delete([incoming_key(key)])
            return differs
        except PartsMissing as missing:
            return OutputMissing(missing.detail)
        except PartsRefused as refused:
            return OutputDiffers(refused.detail)
        except ObjectMissing:
            return OutputMissing()
        except ObjectChanged:
            return OutputDiffers("What lies at `output_path` was replaced while it was looked at.")
        return None

    async def _take_in(self, key: str, upload: dict[str, Any]) -> None:
        size, content_type, arrived = upload["size"], upload["content_type"], incoming_key(key)
        info, place = await self._found(key, upload)
        if info.size != size:
            raise OutputDiffers(f"{info.size} bytes lie at `output_path`, and {size} were announced.")
        if info.content_type != content_type or not plausible(content_type, await self._head(place)):
            raise OutputDiffers(f"What lies at `output_path` is no {content_type}, as was announced.")
        if place == arrived:
            # Only what was looked at: its worker may send another file to the same address at any moment.
            await self._storage.promote(arrived, key, content_type=content_type, etag=info.etag)
        if "parts_id" in upload:
            await self._storage.abort_parts(arrived, upload["parts_id"])

    async def _found(self, key: str, upload: dict[str, Any]) -> tuple[ObjectInfo, str]:
        """The output and where it lies: on its way, taken in already, or in parts that are put together now."""
        arrived = incoming_key(key)
        for place in (arrived, key):
            if info := await self._storage.head(place):
                return info, place
        if "parts_id" not in upload:
            raise ObjectMissing
        try:
            plan = PartPlan(upload["size"], upload["part_size"])
            return await assemble(self._storage, arrived, upload["parts_id"], plan), arrived
        except PartsGone as gone:
            # Put together by the same report beside this one, or never begun.
            for place in (arrived, key):
                if info := await self._storage.head(place):
                    return info, place
            raise ObjectMissing from gone

    async def _head(self, key: str) -> bytes:
        return b"".join([piece async for piece in self._storage.read(key, 0, HEAD_BYTES)])
