"""The SQL of what was found in files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection

    from ingest.pipeline.files import Examined


async def save(connection: Connection, upload_id: UUID, found: Examined) -> bool:
    """Keep what was found in a file, for this version and the next; False when the upload is gone."""
    saved = await connection.fetchval(
        """
        UPDATE uploads SET examined_by = $2, extracted_text = $3, extracted_by = $4, extraction_error = $5::jsonb, meta = meta || $6::jsonb,
          thumbnail_key = coalesce($7, thumbnail_key), display_key = coalesce($8, display_key),
          size = coalesce($9, size), sha256 = coalesce($10, sha256), content_type = coalesce($11, content_type)
        WHERE id = $1 RETURNING true
        """,
        upload_id,
        found.examined_by,
        found.text,
        found.extracted_by,
        found.error,
        found.meta,
        found.thumbnail_key,
        found.display_key,
        found.size,
        found.sha256,
        found.content_type,
    )
    return bool(saved)


async def save_refusal(connection: Connection, upload_id: UUID, error: dict[str, Any]) -> None:
    """Say at the file why it could not be read; the next attempt reads it again."""
    await connection.execute(
        "UPDATE uploads SET extraction_error = $2::jsonb, examined_by = NULL WHERE id = $1", upload_id, error
    )
