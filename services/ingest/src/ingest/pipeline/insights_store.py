"""The SQL of insights, as they are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.ids import new_id

if TYPE_CHECKING:
    from uuid import UUID

    from shared.db import Connection, Record

    from ingest.pipeline.insights import Understood
    from ingest.pipeline.work import Claim


async def save(connection: Connection, claim: Claim, provider: str, model: str, computed: dict[str, Any]) -> Record:
    """Store what was computed, with the person's corrections over it; the answer is `topics, emotions` as they are now."""
    corrected = await connection.fetchval(
        """
        INSERT INTO insights AS i (entry_id, space_id, version, summary, topics, emotions, people, dates, provider, model, computed)
        VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $10, $11::jsonb)
        ON CONFLICT (entry_id) DO UPDATE SET version = $3, summary = $4, topics = $5, emotions = $6, people = $7, dates = $8,
          provider = $9, model = $10, computed = $11, created_at = now()
        RETURNING EXISTS (SELECT FROM insight_corrections k WHERE k.entry_id = $1)
        """,
        claim.entry_id,
        claim.space_id,
        claim.version,
        computed["summary"],
        computed["topics"],
        computed["emotions"],
        computed["people"],
        computed["dates"],
        provider,
        model,
        computed,
    )
    if not corrected:
        return {"topics": computed["topics"], "emotions": computed["emotions"]}
    await connection.execute("SELECT merge_insights($1)", claim.entry_id)
    row = await connection.fetchrow("SELECT topics, emotions FROM insights WHERE entry_id = $1", claim.entry_id)
    assert row is not None
    return dict(row)


async def remove(connection: Connection, claim: Claim) -> None:
    """Forget insights about a text that is no longer there."""
    await connection.execute("DELETE FROM insights WHERE entry_id = $1", claim.entry_id)


async def record_usage(connection: Connection, claim: Claim, user_id: UUID, spent: Understood) -> None:
    """Count what the model's call cost."""
    usage = spent.usage
    assert usage is not None
    await connection.execute(
        """
        INSERT INTO usage_events (id, space_id, user_id, kind, provider, model, input_tokens, output_tokens, cost_micros, subject_id)
        VALUES ($1, $2, $3, 'insights', $4, $5, $6, $7, $8, $9)
        """,
        new_id(),
        claim.space_id,
        user_id,
        spent.provider,
        spent.model,
        usage.input_tokens,
        usage.output_tokens,
        usage.cost_micros,
        claim.entry_id,
    )
