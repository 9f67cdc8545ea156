"""The SQL of rate limits: one statement takes from a token bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.db import Connection

# The casts tell Postgres what the parameters are, wherever they stand first.
_REFILLED = "least($2::float8, b.tokens + extract(epoch FROM clock_timestamp() - b.updated_at)::float8 * $3::float8)"


async def take(connection: Connection, bucket: str, capacity: float, per_second: float, cost: float = 1) -> float:
    """Take `cost` tokens: 0 when they were there, else the seconds until they will be (and nothing is taken)."""
    arguments = (bucket, float(capacity), float(per_second), float(cost))
    taken = await connection.fetchval(
        f"""
        INSERT INTO rate_buckets AS b (bucket, tokens) VALUES ($1, $2::float8 - $4::float8)
        ON CONFLICT (bucket) DO UPDATE SET tokens = {_REFILLED} - $4::float8, updated_at = clock_timestamp() WHERE {_REFILLED} >= $4::float8
        RETURNING true
        """,  # noqa: S608 - a constant of this module
        *arguments,
    )
    if taken:
        return 0.0
    missing = await connection.fetchval(
        f"SELECT ($4::float8 - {_REFILLED}) / $3::float8 FROM rate_buckets b WHERE bucket = $1",  # noqa: S608 - a constant of this module
        *arguments,
    )
    return max(0.001, float(missing or 0))


async def forget_idle(connection: Connection) -> None:
    """Drop buckets that have long been full again."""
    await connection.execute("DELETE FROM rate_buckets WHERE updated_at < now() - interval '1 day'")
