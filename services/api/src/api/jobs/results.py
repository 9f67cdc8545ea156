"""All results of a job as one archive, sent while it is read: no more than one piece of it is in memory, however large it is."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from shared.db import Principal
from shared.storage import ObjectMissing
from shared.storage.disposition import safe_filename

from api.jobs import reading_store, store
from api.jobs.archive import ArchiveEntry, ArchiveWriter
from api.jobs.errors import JobNotFound, NoResultsYet
from api.jobs.limits import READING_S
from api.jobs.result_names import ResultNames
from api.jobs.schemas import ResultsLink

if TYPE_CHECKING:
    from shared.db import Database, Record
    from shared.storage import ObjectStore

    from api.jobs.result_links import ResultLinks

_PAGE = 500
# A result up to this size is read once and held; of a larger one the CRC is had by reading it before.
_HELD_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Download:
    """An archive on its way."""

    filename: str
    pieces: AsyncGenerator[bytes]


@dataclass(frozen=True, slots=True)
class ResultsService:
    """Results as one person may see them."""

    database: Database
    storage: ObjectStore
    links: ResultLinks

    async def download(self, principal: Principal, job_id: UUID) -> Download:
        """The archive of what is done by now. Whatever hinders its beginning is raised here, before anything is sent."""
        async with self.database.tenant_tx(principal) as connection:
            job = await reading_store.job(connection, job_id)
            if job is None:
                raise JobNotFound
            if not await reading_store.results(connection, job_id, -1, 1):
                raise NoResultsYet
        pieces = self._archive(principal, job_id)
        first = await anext(pieces)
        return Download(f"{safe_filename(job['name'])}.zip", _after(first, pieces))

    async def link(self, principal: Principal, job_id: UUID) -> ResultsLink:
        """An address of the archive for whoever holds it, good for some minutes and as long as this person sees the job."""
        async with self.database.tenant_tx(principal) as connection:
            if not await store.visible(connection, job_id):
                raise JobNotFound
        return self.links.make(job_id, principal.user_id, READING_S)

    async def linked(self, job_id: UUID, by: str, expires: str, signature: str) -> Download:
        """The archive behind a link, as the person sees it who asked for the link."""
        return await self.download(Principal(self.links.person(job_id, by, expires, signature)), job_id)

    async def _archive(self, principal: Principal, job_id: UUID) -> AsyncGenerator[bytes]:
        writer, names = ArchiveWriter(), ResultNames()
        async for row in self._rows(principal, job_id):
            name = names.next(row["seq"], row["input_name"], row["output_name"], row["output_type"])
            async with aclosing(self._entry(writer, name, row)) as pieces:
                async for piece in pieces:
                    yield piece
        yield writer.end()

    async def _rows(self, principal: Principal, job_id: UUID) -> AsyncIterator[Record]:
        """Page by page: a transaction that lasted as long as the download would hold back vacuum for everybody."""
        after = -1
        while True:
            async with self.database.tenant_tx(principal) as connection:
                rows = await reading_store.results(connection, job_id, after, _PAGE)
            for row in rows:
                yield row
            if len(rows) < _PAGE:
                return
            after = rows[-1]["seq"]

    async def _entry(self, writer: ArchiveWriter, name: str, row: Record) -> AsyncGenerator[bytes]:
        key, modified = row["output_key"], row["finished_at"] or datetime.now(UTC)
        held, size, crc = await self._measured(key)
        yield writer.header(ArchiveEntry(name, size, crc, modified))
        if held is not None:
            yield held
            return
        sent = 0
        async for piece in self.storage.read(key):
            sent += len(piece)
            yield piece
        if sent != size:
            raise ObjectMissing("A result changed while it was read. The archive is not whole; download it again.")

    async def _measured(self, key: str) -> tuple[bytes | None, int, int]:
        """Size and CRC of an object, and its bytes if they are few."""
        held: bytearray | None = bytearray()
        size = crc = 0
        async for piece in self.storage.read(key):
            size += len(piece)
            crc = zlib.crc32(piece, crc)
            if held is not None:
                held += piece
                held = held if size <= _HELD_BYTES else None
        return None if held is None else bytes(held), size, crc


async def _after(first: bytes, pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(pieces):
        yield first
        async for piece in pieces:
            yield piece
