"""The SQL of tickets and browser sessions. Only hashes of tickets and handles are kept, and tokens only sealed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record


async def add_ticket(
    connection: Connection,
    ticket_hash: bytes,
    user_id: UUID,
    auth_session_id: str | None,
    sealed: bytes,
    access_expires_at: datetime,
    user_agent: str | None,
    lifetime_s: int,
) -> None:
    """Keep a ticket for some seconds."""
    await connection.execute(
        """
        INSERT INTO ui_tickets (ticket_hash, user_id, auth_session_id, sealed_tokens, access_expires_at, user_agent, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
        """,
        ticket_hash,
        user_id,
        auth_session_id,
        sealed,
        access_expires_at,
        user_agent,
        lifetime_s,
    )


async def trade_ticket(
    connection: Connection, ticket_hash: bytes, session_id: UUID, handle_hash: bytes, lifetime_s: int
) -> bool:
    """Turn a ticket into a session; False when there is none, or no longer, or it was traded before."""
    made = await connection.fetchval(
        """
        WITH t AS (DELETE FROM ui_tickets WHERE ticket_hash = $1 RETURNING *)
        INSERT INTO ui_sessions (id, handle_hash, user_id, auth_session_id, sealed_tokens, access_expires_at, user_agent, expires_at)
        SELECT $2, $3, user_id, auth_session_id, sealed_tokens, access_expires_at, user_agent, now() + make_interval(secs => $4)
        FROM t WHERE expires_at > now() RETURNING true
        """,
        ticket_hash,
        session_id,
        handle_hash,
        lifetime_s,
    )
    return bool(made)


async def read(connection: Connection, handle_hash: bytes, margin_s: int, *, lock: bool = False) -> Record | None:
    """The session behind a handle; `fresh`: its access token lives at least `margin_s` longer."""
    row: Record | None = await connection.fetchrow(
        f"""
        SELECT id, user_id, auth_session_id, sealed_tokens,
               access_expires_at > now() + make_interval(secs => $2) AS fresh,
               last_used_at < now() - interval '1 minute' AS unnoted
        FROM ui_sessions WHERE handle_hash = $1 AND expires_at > now() {"FOR UPDATE" if lock else ""}
        """,  # noqa: S608 - one of two constants
        handle_hash,
        margin_s,
    )
    return row


async def replace_tokens(
    connection: Connection, session_id: UUID, sealed: bytes, access_expires_at: datetime, lifetime_s: int
) -> None:
    """Keep the tokens of an exchange; a session in use lives on."""
    await connection.execute(
        """
        UPDATE ui_sessions SET sealed_tokens = $2, access_expires_at = $3, last_used_at = now(),
               expires_at = now() + make_interval(secs => $4) WHERE id = $1
        """,
        session_id,
        sealed,
        access_expires_at,
        lifetime_s,
    )


async def note_use(connection: Connection, session_id: UUID) -> None:
    """For the list of sessions; called once a minute at most."""
    await connection.execute("UPDATE ui_sessions SET last_used_at = now() WHERE id = $1", session_id)


async def remove(connection: Connection, session_id: UUID) -> None:
    """End one session."""
    await connection.execute("DELETE FROM ui_sessions WHERE id = $1", session_id)


async def remove_own(connection: Connection, user_id: UUID, session_id: UUID) -> Record | None:
    """End one of a person's sessions; what it held."""
    row: Record | None = await connection.fetchrow(
        "DELETE FROM ui_sessions WHERE user_id = $1 AND id = $2 RETURNING user_id, auth_session_id, sealed_tokens",
        user_id,
        session_id,
    )
    return row


async def remove_all(connection: Connection, user_id: UUID) -> None:
    """End a person's sessions and tickets."""
    await connection.execute("DELETE FROM ui_tickets WHERE user_id = $1", user_id)
    await connection.execute("DELETE FROM ui_sessions WHERE user_id = $1", user_id)


async def listed(connection: Connection, user_id: UUID) -> list[Record]:
    """A person's sessions, the last used first."""
    return await connection.fetch(
        """
        SELECT id, auth_session_id, user_agent, created_at, last_used_at, expires_at FROM ui_sessions
        WHERE user_id = $1 AND expires_at > now() ORDER BY last_used_at DESC, id LIMIT 200
        """,
        user_id,
    )


async def forget_expired(connection: Connection) -> None:
    """Drop what nobody can use any more."""
    await connection.execute("DELETE FROM ui_tickets WHERE expires_at < now()")
    await connection.execute("DELETE FROM ui_sessions WHERE expires_at < now()")
