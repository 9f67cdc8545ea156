"""The SQL of the overview: one statement over what the person may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import Unprocessable

from api.insights.schemas import OverviewFilter

if TYPE_CHECKING:
    from shared.db import Connection

MOST_TOPICS = 50
# Postgres, not Python, knows the zones: a slim container has no zone files.
_INVALID_PARAMETER = "22023"


class TimeZoneUnknown(Unprocessable):
    """Not an IANA name."""

    code = "time_zone_unknown"
    default_detail = "`tz` is an IANA time zone such as Asia/Seoul or UTC."


_OVERVIEW = f"""
WITH chosen AS MATERIALIZED (
  SELECT e.id, (e.occurred_at AT TIME ZONE $5)::date AS day, i.topics, i.emotions
  FROM entries e LEFT JOIN insights i ON i.entry_id = e.id
  WHERE ($1::timestamptz IS NULL OR e.occurred_at >= $1) AND ($2::timestamptz IS NULL OR e.occurred_at < $2)
    AND ($3::uuid IS NULL OR e.space_id = $3) AND ($4::uuid IS NULL OR e.person_id = $4)),
topics AS (
  SELECT topic, count(*) AS count FROM chosen, unnest(topics) AS t (topic)
  GROUP BY topic ORDER BY count DESC, topic LIMIT {MOST_TOPICS}),
moods AS (
  SELECT date_trunc('week', day)::date AS week, m ->> 'label' AS label, round(avg((m ->> 'score')::numeric), 4)::float AS score,
         count(*) AS count
  FROM chosen, jsonb_array_elements(emotions) AS j (m) GROUP BY 1, 2 ORDER BY 1, count DESC, 2),
days AS (SELECT day AS date, count(*) AS count FROM chosen GROUP BY day ORDER BY day)
SELECT json_build_object('topics', (SELECT coalesce(json_agg(topics), '[]') FROM topics),
  'moods', (SELECT coalesce(json_agg(moods), '[]') FROM moods), 'days', (SELECT coalesce(json_agg(days), '[]') FROM days))::text
"""  # noqa: S608 - a constant of this module


async def overview(connection: Connection, wanted: OverviewFilter) -> str:
    """The totals as JSON text; raises `TimeZoneUnknown`."""
    arguments = (wanted.since, wanted.until, wanted.space_id, wanted.person_id, wanted.time_zone)
    try:
        text: str = await connection.fetchval(_OVERVIEW, *arguments)
    except Exception as error:
        if getattr(error, "sqlstate", None) == _INVALID_PARAMETER:
            raise TimeZoneUnknown from error
        raise
    return text
