"""Entries that are there and searchable, for tests of what reads them; ingest has tests of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.ids import new_id
from shared.text import chunking
from shared.text.sparse import document_vector
from shared.text.tokenise import terms
from shared.vectors.port import PointPayload, VectorPoint, point_id

if TYPE_CHECKING:
    from shared.vectors import VectorIndex

_MEAN_LENGTH = 40.0
_WHEN = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)

_ENTRY = """INSERT INTO maru.entries (id, space_id, author_id, kind, indexed_version, title, occurred_at, status)
    VALUES (%s, %s, %s, 'note', 1, %s, %s, 'ready')"""
_VERSION = """INSERT INTO maru.entry_versions (entry_id, version, space_id, note, body, stream_id, created_by)
    VALUES (%s, 1, %s, %s, %s, %s, %s)"""
_CHUNK = """INSERT INTO maru.chunks (id, space_id, entry_id, version, ordinal, start_offset, end_offset, sha256, length)
    VALUES (%s, %s, %s, 1, %s, %s, %s, decode(%s, 'hex'), 40)"""


class Memories:
    """Writes entries as the database's owner, with their chunks and points."""

    def __init__(self, database_url: str, vectors: VectorIndex) -> None:
        self._database_url = database_url
        self._vectors = vectors

    async def remember(
        self, space_id: str, author_id: str, text: str, *, title: str | None = None, occurred_at: datetime = _WHEN
    ) -> str:
        """Save an entry that is understood already; its id."""
        entry_id = new_id()
        chunks = chunking.split(text)
        self._write(entry_id, space_id, author_id, text, title, occurred_at, chunks)
        await self._vectors.upsert(
            [
                VectorPoint(
                    point_id(entry_id, 1, chunk.ordinal),
                    document_vector(terms(f"{title or ''}\n{chunk.text}", morphology=None), _MEAN_LENGTH),
                    None,
                    PointPayload(
                        entry_id, 1, chunk.ordinal, UUID(space_id), UUID(author_id), None, "note", [], [], occurred_at
                    ),
                )
                for chunk in chunks
            ]
        )
        return str(entry_id)

    def forget(self, entry_id: str) -> None:
        """Delete an entry's rows, as a person's DELETE does at once."""
        self._execute(("DELETE FROM maru.entries WHERE id = %s", (entry_id,)))

    def _write(
        self,
        entry_id: UUID,
        space_id: str,
        author_id: str,
        text: str,
        title: str | None,
        occurred_at: datetime,
        chunks: list[chunking.Chunk],
    ) -> None:
        self._execute(
            (_ENTRY, (entry_id, space_id, author_id, title, occurred_at)),
            (_VERSION, (entry_id, space_id, text, text, new_id(), author_id)),
            *(
                (_CHUNK, (new_id(), space_id, entry_id, chunk.ordinal, chunk.start, chunk.end, chunk.sha256))
                for chunk in chunks
            ),
        )

    def _execute(self, *statements: tuple[str, tuple[Any, ...]]) -> None:
        import psycopg

        with psycopg.connect(self._database_url) as connection:
            for statement, values in statements:
                connection.execute(statement.encode(), values)
