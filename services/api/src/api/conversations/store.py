"""The SQL of conversations, their messages and the answer cache; row-level security shows a person their own and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record

    from api.conversations.schemas import Ids

_CONVERSATION = "id, title, space_ids, created_at, updated_at"
_MESSAGE = "id, role, content, status, citations, provider, model, usage, error, stream_id, created_at"


async def create(
    connection: Connection, conversation_id: UUID, owner_id: UUID, title: str, spaces: list[UUID]
) -> Record | None:
    """A new conversation at home in its owner's personal space; None when there is no such space."""
    row: Record | None = await connection.fetchrow(
        f"""
        INSERT INTO conversations (id, owner_id, home_space_id, title, space_ids)
        SELECT $1, $2, id, $3, $4 FROM spaces WHERE owner_id = $2 AND kind = 'personal'
        RETURNING {_CONVERSATION}
        """,  # noqa: S608 - a constant of this module
        conversation_id,
        owner_id,
        title,
        spaces,
    )
    return row


async def all_readable(connection: Connection, spaces: Sequence[UUID]) -> bool:
    """Whether every one of these spaces is this person's to read."""
    return bool(await connection.fetchval("SELECT $1::uuid[] <@ my_spaces()", list(spaces)))


async def page(
    connection: Connection, before: tuple[datetime, UUID] | None, limit: int, words: str | None
) -> list[Record]:
    """Conversations, the last used first; with `words` those in whose title or messages the words stand."""
    pattern = None if words is None else f"%{_escaped(words)}%"
    rows: list[Record] = await connection.fetch(
        f"""
        SELECT {_CONVERSATION} FROM conversations c
        WHERE ($1::timestamptz IS NULL OR (updated_at, id) < ($1, $2))
          AND ($3::text IS NULL OR title ILIKE $3
               OR EXISTS (SELECT FROM messages m WHERE m.conversation_id = c.id AND m.content ILIKE $3))
        ORDER BY updated_at DESC, id DESC LIMIT $4
        """,  # noqa: S608 - a constant of this module
        *(before or (None, None)),
        pattern,
        limit,
    )
    return rows


async def find(connection: Connection, conversation_id: UUID, *, lock: bool = False) -> Record | None:
    """One conversation; `lock` holds it against another question until the transaction ends."""
    row: Record | None = await connection.fetchrow(
        f"SELECT {_CONVERSATION}, home_space_id FROM conversations WHERE id = $1 {'FOR UPDATE' if lock else ''}",  # noqa: S608 - constants
        conversation_id,
    )
    return row


async def change(
    connection: Connection, conversation_id: UUID, title: str | None, spaces: list[UUID] | None
) -> Record | None:
    """Rename or point at other spaces; None leaves a field as it is."""
    row: Record | None = await connection.fetchrow(
        f"""
        UPDATE conversations SET title = coalesce($2, title), space_ids = coalesce($3, space_ids), updated_at = now()
        WHERE id = $1 RETURNING {_CONVERSATION}
        """,  # noqa: S608 - a constant of this module
        conversation_id,
        title,
        spaces,
    )
    return row


async def delete(connection: Connection, conversation_id: UUID) -> list[UUID] | None:
    """Delete a conversation with its messages and their streams; the streams' ids, None when it was not there."""
    rows = await connection.fetch(
        "SELECT stream_id FROM messages WHERE conversation_id = $1 AND stream_id IS NOT NULL", conversation_id
    )
    if not await connection.fetchval("DELETE FROM conversations WHERE id = $1 RETURNING true", conversation_id):
        return None
    streams = [row["stream_id"] for row in rows]
    await connection.execute("DELETE FROM streams WHERE id = ANY($1)", streams)
    return streams


async def messages(connection: Connection, conversation_id: UUID) -> list[Record]:
    """Everything said, in order."""
    rows: list[Record] = await connection.fetch(
        f"SELECT {_MESSAGE} FROM messages WHERE conversation_id = $1 ORDER BY id",  # noqa: S608 - a constant of this module
        conversation_id,
    )
    return rows


async def message(connection: Connection, message_id: UUID) -> Record | None:
    """One message."""
    row: Record | None = await connection.fetchrow(
        f"SELECT {_MESSAGE} FROM messages WHERE id = $1",  # noqa: S608 - a constant of this module
        message_id,
    )
    return row


async def recent(connection: Connection, conversation_id: UUID, limit: int) -> list[Record]:
    """The newest messages with something in them, oldest first."""
    rows: list[Record] = await connection.fetch(
        """
        SELECT role, content FROM messages WHERE conversation_id = $1 AND content <> '' AND status <> 'streaming'
        ORDER BY id DESC LIMIT $2
        """,
        conversation_id,
        limit,
    )
    return rows[::-1]


async def running(connection: Connection, conversation_id: UUID) -> Record | None:
    """The answer that is being written: `id, stream_id`, and `dead` when nobody is writing it any more."""
    row: Record | None = await connection.fetchrow(
        """
        SELECT m.id, m.stream_id, coalesce(s.status <> 'running' OR s.lease_expires_at < now(), true) AS dead
        FROM messages m LEFT JOIN streams s ON s.id = m.stream_id
        WHERE m.conversation_id = $1 AND m.status = 'streaming'
        """,
        conversation_id,
    )
    return row


async def begin(connection: Connection, ids: Ids, owner_id: UUID, question: str, title: str) -> None:
    """Store a question and the empty answer to it; an untitled conversation gets `title`."""
    await connection.execute(
        """
        WITH said AS (
          INSERT INTO messages (id, conversation_id, owner_id, role, status, content, stream_id) VALUES
            ($2, $1, $5, 'user', 'done', $6, NULL), ($3, $1, $5, 'assistant', 'streaming', '', $4)
        )
        UPDATE conversations SET updated_at = now(), title = CASE WHEN title = '' THEN $7 ELSE title END WHERE id = $1
        """,
        ids.conversation,
        ids.question,
        ids.answer,
        ids.stream,
        owner_id,
        question,
        title,
    )


async def finish(connection: Connection, message_id: UUID, fields: dict[str, Any]) -> Record | None:
    """Store how an answer ended; None when it was deleted meanwhile or had ended."""
    row: Record | None = await connection.fetchrow(
        f"""
        UPDATE messages SET status = $2, content = $3, citations = $4, passages = $5, provider = $6, model = $7, usage = $8, error = $9
        WHERE id = $1 AND status = 'streaming' RETURNING {_MESSAGE}
        """,  # noqa: S608 - a constant of this module
        message_id,
        *(
            fields[name]
            for name in ("status", "content", "citations", "passages", "provider", "model", "usage", "error")
        ),
    )
    return row


async def existing_entries(connection: Connection, entry_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the entries that are still there for this person to read."""
    rows = await connection.fetch("SELECT id FROM entries WHERE id = ANY($1)", list(entry_ids))
    return {row["id"] for row in rows}


async def cached(connection: Connection, owner_id: UUID, key: bytes) -> dict[str, Any] | None:
    """An answer that was given before to exactly this."""
    answer: dict[str, Any] | None = await connection.fetchval(
        "SELECT answer FROM answer_cache WHERE owner_id = $1 AND key = $2", owner_id, key
    )
    return answer


async def cache(connection: Connection, owner_id: UUID, key: bytes, answer: dict[str, Any]) -> None:
    """Keep an answer for the next time."""
    await connection.execute(
        """
        INSERT INTO answer_cache (owner_id, key, answer) VALUES ($1, $2, $3)
        ON CONFLICT (owner_id, key) DO UPDATE SET answer = excluded.answer, created_at = now()
        """,
        owner_id,
        key,
        answer,
    )


async def record_usage(connection: Connection, row: dict[str, Any]) -> None:
    """What an answer cost, on its owner's account."""
    await connection.execute(
        """
        INSERT INTO usage_events (id, space_id, user_id, kind, provider, model, input_tokens, output_tokens, cost_micros, subject_id)
        VALUES ($1, $2, $3, 'answer', $4, $5, $6, $7, $8, $9)
        """,
        *(
            row[name]
            for name in (
                "id",
                "space_id",
                "user_id",
                "provider",
                "model",
                "input_tokens",
                "output_tokens",
                "cost_micros",
                "subject_id",
            )
        ),
    )


async def forget_old_answers(connection: Connection) -> None:
    """Drop kept answers that are past their use."""
    await connection.execute("SELECT forget_old_answers()")


async def lock_message(connection: Connection, message_id: UUID) -> None:
    """Hold a message until the transaction ends."""
    await connection.execute("SELECT FROM messages WHERE id = $1 FOR UPDATE", message_id)


def _escaped(words: str) -> str:
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
