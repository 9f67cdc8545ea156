"""The SQL of the embedding cache; vectors are kept as 32-bit floats."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection

    from ingest.pipeline.work import ChunkRow


async def cached(connection: Connection, space_id: UUID, keys: Sequence[bytes]) -> dict[bytes, array[float]]:
    """The vectors that are known, by key."""
    rows = await connection.fetch(
        "SELECT key, vector FROM embedding_cache WHERE space_id = $1 AND key = ANY($2)", space_id, list(keys)
    )
    return {row["key"]: _numbers(row["vector"]) for row in rows}


async def keep(connection: Connection, space_id: UUID, vectors: Mapping[bytes, array[float]]) -> None:
    """Keep vectors of texts that a chunk holds; the caller holds the entry's row, so that it cannot be deleted in between."""
    await connection.execute(
        """
        INSERT INTO embedding_cache (space_id, key, vector)
        SELECT $1, n.key, n.vector FROM unnest($2::bytea[], $3::bytea[]) AS n (key, vector)
        WHERE EXISTS (SELECT FROM chunks c WHERE c.space_id = $1 AND c.embedding_key = n.key) ON CONFLICT DO NOTHING
        """,
        space_id,
        list(vectors.keys()),
        [vector.tobytes() for vector in vectors.values()],
    )


async def rekey(connection: Connection, space_id: UUID, chunks: Sequence[ChunkRow]) -> None:
    """Let chunks point to other embeddings, after a title or date ahead of their text has changed; forget the ones nobody needs."""
    await connection.execute(
        """
        WITH before AS (SELECT id, embedding_key FROM chunks WHERE id = ANY($2::uuid[])),
             changed AS (UPDATE chunks c SET embedding_key = n.key FROM unnest($2::uuid[], $3::bytea[]) AS n (id, key)
               WHERE c.id = n.id AND c.embedding_key IS DISTINCT FROM n.key)
        DELETE FROM embedding_cache k USING before b WHERE k.space_id = $1 AND k.key = b.embedding_key AND k.key <> ALL($3::bytea[])
          AND NOT EXISTS (SELECT FROM chunks o WHERE o.space_id = $1 AND o.embedding_key = k.key AND o.id <> ALL($2::uuid[]))
        """,
        space_id,
        [chunk.id for chunk in chunks],
        [chunk.embedding_key for chunk in chunks],
    )


def _numbers(vector: bytes) -> array[float]:
    numbers = array("f")
    numbers.frombytes(vector)
    return numbers
