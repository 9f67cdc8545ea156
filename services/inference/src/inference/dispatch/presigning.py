"""Addresses of files, for the worker that holds a task and for this attempt alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.contracts.dispatch import Presigned
from shared.storage.keys import incoming_key, output_key
from shared.storage.parts import LARGEST_OBJECT
from shared.studio.outputs import output_type

from inference import queue
from inference.dispatch.parted import PartedOutputs
from inference.errors import InputMissing, OutputTooLarge, OutputTypeNotTaken, UploadIncomplete

if TYPE_CHECKING:
    from shared.contracts.dispatch import PresignRequest
    from shared.db import Database
    from shared.storage import ObjectStore
    from shared.storage.parts import PartRules

    from inference.queue import Credentials


class Addresses:
    """Signs what a held task needs."""

    def __init__(self, database: Database, storage: ObjectStore, expires_s: int, rules: PartRules) -> None:
        self._database = database
        self._storage = storage
        self._expires_s = expires_s
        self._rules = rules
        self._parted = PartedOutputs(database, storage, expires_s)

    async def presign(self, credentials: Credentials, wanted: PresignRequest) -> Presigned:
        """An address to read the input from, or one that takes exactly the announced output."""
        if wanted.type == "download_input":
            return await self._download(credentials, wanted)
        return await self._upload(credentials, wanted)

    async def _download(self, credentials: Credentials, wanted: PresignRequest) -> Presigned:
        found = await queue.open_task(self._database, credentials, wanted.task_id, wanted.attempt, None)
        _, _, key, name, type_ = found
        if key is None:
            raise InputMissing
        url = await self._storage.presign_get(key, filename=name, content_type=type_, expires_s=self._expires_s)
        expires = datetime.now(UTC) + timedelta(seconds=self._expires_s)
        return Presigned(url=url, method="GET", headers={}, expires_at=expires)

    async def _upload(self, credentials: Credentials, wanted: PresignRequest) -> Presigned:
        upload = _upload(wanted)
        plan = self._rules.plan(upload["size"]) if wanted.parts else None
        parts = await self._parted.begin(credentials, wanted, upload, plan) if plan else None
        if parts is not None:
            upload |= {"parts_id": parts.parts_id, "part_size": parts.plan.part_size}
        space, job, *_ = await queue.open_task(self._database, credentials, wanted.task_id, wanted.attempt, upload)
        key = output_key(UUID(space), UUID(job), wanted.task_id, wanted.attempt)
        # Not where it will be read: what has been looked at must not be written over while the address lives.
        signed = await self._storage.presign_put(
            incoming_key(key), content_type=upload["content_type"], size=upload["size"], expires_s=self._expires_s
        )
        answer = Presigned(
            url=signed.url,
            method="PUT",
            headers=dict(signed.headers),
            expires_at=signed.expires_at,
            output_path=key,
        )
        if parts is not None:
            answer.part_size, answer.part_count = parts.plan.part_size, parts.plan.count
            answer.parts = await self._parted.addresses(parts)
        return answer


def _upload(wanted: PresignRequest) -> dict[str, Any]:
    if wanted.content_type is None or wanted.size is None or not wanted.filename:
        raise UploadIncomplete
    if wanted.size > LARGEST_OBJECT:
        raise OutputTooLarge
    type_ = output_type(wanted.content_type)
    if type_ is None:
        raise OutputTypeNotTaken
    return {"attempt": wanted.attempt, "content_type": type_, "size": wanted.size, "filename": wanted.filename}
