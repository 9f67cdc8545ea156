"""The SQL of worker tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record

    from api.workers.schemas import NewWorkerToken

_LIVE = "v.expires_at > now()"
_TOKEN = f"""
t.id, t.name, t.space_ids, t.runners, t.price_micros_per_hour / 1e6::float8 AS price_per_hour, t.created_by,
t.created_at, t.revoked_at, t.last_used_at,
coalesce((SELECT jsonb_agg(jsonb_build_object('version', v.version, 'created_at', v.created_at, 'expires_at', v.expires_at) ORDER BY v.version)
          FROM worker_token_versions v WHERE v.token_id = t.id AND {_LIVE} AND t.revoked_at IS NULL), '[]') AS versions
"""  # noqa: S608 - a constant of this module


async def add(
    connection: Connection, token_id: str, new: NewWorkerToken, price_micros: int, created_by: UUID | None
) -> None:
    """Write a token that has no version yet."""
    await connection.execute(
        """
        INSERT INTO worker_tokens (id, name, space_ids, runners, price_micros_per_hour, created_by) VALUES ($1, $2, $3, $4, $5, $6)
        """,
        token_id,
        new.name,
        new.space_ids,
        new.runners,
        price_micros,
        created_by,
    )


async def add_version(connection: Connection, token_id: str, digest: bytes, days: int) -> None:
    """Write the next version."""
    await connection.execute(
        """
        INSERT INTO worker_token_versions (token_id, version, sha256, expires_at)
        SELECT $1, coalesce(max(version), 0) + 1, $2, now() + make_interval(days => $3) FROM worker_token_versions WHERE token_id = $1
        """,
        token_id,
        digest,
        days,
    )


async def lock(connection: Connection, token_id: str) -> bool:
    """Let nobody else change this token until the transaction ends; False when there is none that is not revoked."""
    return bool(
        await connection.fetchval(
            "SELECT true FROM worker_tokens WHERE id = $1 AND revoked_at IS NULL FOR UPDATE", token_id
        )
    )


async def count_live(connection: Connection, token_id: str) -> int:
    """How many versions are valid."""
    count: int = await connection.fetchval(
        f"SELECT count(*) FROM worker_token_versions v WHERE token_id = $1 AND {_LIVE}",  # noqa: S608 - a constant of this module
        token_id,
    )
    return count


async def end_versions(connection: Connection, token_id: str, grace_s: float) -> None:
    """Let what is valid now end after `grace_s` seconds at the latest, and forget what ended before."""
    await connection.execute(
        "DELETE FROM worker_token_versions WHERE token_id = $1 AND (expires_at <= now() OR $2::float8 <= 0)",
        token_id,
        grace_s,
    )
    await connection.execute(
        "UPDATE worker_token_versions SET expires_at = least(expires_at, now() + make_interval(secs => $2)) WHERE token_id = $1",
        token_id,
        grace_s,
    )


async def revoke(connection: Connection, token_id: str) -> bool:
    """End a token for good; False when there is none. A second call changes nothing."""
    changed = await connection.execute(
        "UPDATE worker_tokens SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1", token_id
    )
    return bool(changed != "UPDATE 0")


async def read(connection: Connection, token_id: str) -> Record | None:
    """One token."""
    row: Record | None = await connection.fetchrow(
        f"SELECT {_TOKEN} FROM worker_tokens t WHERE t.id = $1",  # noqa: S608 - a constant of this module
        token_id,
    )
    return row


async def newest(connection: Connection, limit: int) -> list[Record]:
    """Tokens, the newest first."""
    rows: list[Record] = await connection.fetch(
        f"SELECT {_TOKEN} FROM worker_tokens t ORDER BY t.created_at DESC, t.id LIMIT $1",  # noqa: S608 - a constant of this module
        limit,
    )
    return rows


async def live_digests(connection: Connection, token_id: str) -> list[bytes]:
    """The hashes by which a token is known now; none when it is revoked."""
    rows = await connection.fetch(
        f"""
        SELECT v.sha256 FROM worker_tokens t JOIN worker_token_versions v ON v.token_id = t.id
        WHERE t.id = $1 AND t.revoked_at IS NULL AND {_LIVE}
        """,  # noqa: S608 - a constant of this module
        token_id,
    )
    return [bytes(row["sha256"]) for row in rows]


async def forget_revoked(connection: Connection, days: int) -> None:
    """Drop tokens that were revoked long ago, with their workers."""
    await connection.execute(
        "DELETE FROM worker_tokens WHERE revoked_at < now() - make_interval(days => $1)",
        days,
    )
