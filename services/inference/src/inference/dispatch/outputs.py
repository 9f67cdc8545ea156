"""Looks at what a worker uploaded before its report is believed, and puts it where no address of the worker reaches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.errors import Problem
from shared.storage.keys import incoming_key, output_key
from shared.storage.media import HEAD_BYTES
from shared.studio.outputs import plausible

from inference import queue
from inference.errors import OutputDiffers, OutputMissing, OutputNotAllowed

if TYPE_CHECKING:
    from shared.contracts.dispatch import Report
    from shared.db import Database
    from shared.storage import ObjectStore

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
            return await self._keep(key, upload["size"], upload["content_type"])

    async def _keep(self, key: str, size: int, content_type: str) -> Problem | None:
        """Take in what arrived. A report that is repeated finds it taken in, and is told the same."""
        arrived = incoming_key(key)
        info, place = await self._storage.head(arrived), arrived
        if info is None:
            info, place = await self._storage.head(key), key
        if info is None:
            return OutputMissing()
        if info.size != size:
            return OutputDiffers(f"{info.size} bytes lie at `output_path`, and {size} were announced.")
        if info.content_type != content_type or not plausible(content_type, await self._head(place)):
            return OutputDiffers(f"What lies at `output_path` is no {content_type}, as was announced.")
        if place == arrived:
            await self._storage.promote(arrived, key, content_type=content_type)
        return None

    async def _head(self, key: str) -> bytes:
        return b"".join([piece async for piece in self._storage.read(key, 0, HEAD_BYTES)])
