"""The SQL of accounts, sessions and refresh tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record

_USER = "u.id, u.email, u.password_hash, u.user_metadata, u.app_metadata, u.created_at, u.updated_at, u.last_sign_in_at"


async def add_user(
    connection: Connection, user_id: UUID, email: str, password_hash: str, metadata: dict[str, Any]
) -> bool:
    """Insert an account; False when somebody has the address."""
    added = await connection.fetchval(
        """
        INSERT INTO idp.users (id, email, password_hash, user_metadata) VALUES ($1, $2, $3, $4)
        ON CONFLICT (email) DO NOTHING RETURNING true
        """,
        user_id,
        email,
        password_hash,
        metadata,
    )
    return bool(added)


async def ensure_account(
    connection: Connection, user_id: UUID, email: str, name: str | None, space_id: UUID, locale: str
) -> UUID:
    """Make profile and personal space unless they are there; the personal space's id (`space_id` when it was made now)."""
    found: UUID = await connection.fetchval(
        "SELECT maru.ensure_account($1, $2, $3, $4, $5)", user_id, email, name, space_id, locale
    )
    return found


async def user_by_email(connection: Connection, email: str) -> Record | None:
    """The account with this (normalised) address."""
    row: Record | None = await connection.fetchrow(f"SELECT {_USER} FROM idp.users u WHERE email = $1", email)  # noqa: S608
    return row


async def user_by_id(connection: Connection, user_id: UUID) -> Record | None:
    """The account, locked against a change at the same time."""
    row: Record | None = await connection.fetchrow(f"SELECT {_USER} FROM idp.users u WHERE id = $1 FOR UPDATE", user_id)  # noqa: S608
    return row


async def begin_session(
    connection: Connection, user_id: UUID, password_hash: str, session_id: UUID, new_hash: str | None
) -> Record | None:
    """Open a session and note the sign-in; None when the password has changed since it was checked. `new_hash` replaces an outdated one."""
    row: Record | None = await connection.fetchrow(
        f"""
        WITH u AS (
          UPDATE idp.users SET last_sign_in_at = now(), password_hash = coalesce($4, password_hash)
          WHERE id = $1 AND password_hash = $2 RETURNING *
        ), s AS (
          INSERT INTO idp.sessions (id, user_id) SELECT $3, id FROM u RETURNING id
        )
        SELECT {_USER}, s.id AS session_id, extract(epoch FROM now())::bigint AS now FROM u, s
        """,  # noqa: S608 - a constant of this module
        user_id,
        password_hash,
        session_id,
        new_hash,
    )
    return row


async def add_refresh_token(connection: Connection, token_hash: bytes, session_id: UUID, days: int) -> None:
    """Keep the hash of a session's new refresh token."""
    await connection.execute(
        "INSERT INTO idp.refresh_tokens (token_hash, session_id, expires_at) VALUES ($1, $2, now() + make_interval(days => $3))",
        token_hash,
        session_id,
        days,
    )


async def take_refresh_token(connection: Connection, token_hash: bytes) -> Record | None:
    """The token with its session and user, locked. `reused`: it had been exchanged before this transaction began.

    Whoever waited for the lock while it was exchanged is the same client's other request, and not a thief.
    """
    row: Record | None = await connection.fetchrow(
        f"""
        SELECT {_USER}, t.session_id, coalesce(t.used_at <= now(), false) AS reused, t.expires_at <= now() AS expired,
               s.revoked_at IS NOT NULL AS revoked, extract(epoch FROM now())::bigint AS now
        FROM idp.refresh_tokens t JOIN idp.sessions s ON s.id = t.session_id JOIN idp.users u ON u.id = s.user_id
        WHERE t.token_hash = $1 FOR UPDATE OF t, s
        """,  # noqa: S608 - a constant of this module
        token_hash,
    )
    return row


async def mark_used(connection: Connection, token_hash: bytes) -> None:
    """Note that a token was exchanged."""
    await connection.execute(
        "UPDATE idp.refresh_tokens SET used_at = coalesce(used_at, clock_timestamp()) WHERE token_hash = $1", token_hash
    )


async def revoke_session(connection: Connection, session_id: UUID, because: str) -> None:
    """End one session with all its tokens."""
    await connection.execute(
        "UPDATE idp.sessions SET revoked_at = now(), revoked_because = $2 WHERE id = $1 AND revoked_at IS NULL",
        session_id,
        because,
    )


async def revoke_sessions(connection: Connection, user_id: UUID, because: str, but: UUID | None) -> None:
    """End a person's sessions, all of them or all `but` one."""
    await connection.execute(
        """
        UPDATE idp.sessions SET revoked_at = now(), revoked_because = $2
        WHERE user_id = $1 AND revoked_at IS NULL AND id IS DISTINCT FROM $3
        """,
        user_id,
        because,
        but,
    )


async def is_session_alive(connection: Connection, session_id: UUID) -> bool:
    """Whether the session stands."""
    return bool(
        await connection.fetchval("SELECT true FROM idp.sessions WHERE id = $1 AND revoked_at IS NULL", session_id)
    )


async def set_password(connection: Connection, user_id: UUID, password_hash: str) -> None:
    """Replace the password."""
    await connection.execute(
        "UPDATE idp.users SET password_hash = $2, updated_at = now() WHERE id = $1", user_id, password_hash
    )


async def set_metadata(connection: Connection, user_id: UUID, metadata: dict[str, Any]) -> None:
    """Replace what the person says about themself."""
    await connection.execute(
        "UPDATE idp.users SET user_metadata = $2, updated_at = now() WHERE id = $1", user_id, metadata
    )


async def remove_user(connection: Connection, user_id: UUID) -> None:
    """Remove the account with its sessions and tokens."""
    await connection.execute("DELETE FROM idp.users WHERE id = $1", user_id)


async def standing(connection: Connection, user_id: UUID, session_id: UUID | None, email: str) -> Record:
    """`has_account, is_admin, alive`."""
    row: Record | None = await connection.fetchrow(
        "SELECT * FROM maru.standing($1, $2, $3)", user_id, session_id, email
    )
    assert row is not None, "a function that selects no FROM gives one row"
    return row


async def forget_ended(connection: Connection) -> None:
    """Drop tokens a week past their time and sessions that have none left."""
    await connection.execute("DELETE FROM idp.refresh_tokens WHERE expires_at < now() - interval '7 days'")
    await connection.execute(
        """
        DELETE FROM idp.sessions s WHERE created_at < now() - interval '7 days'
          AND NOT EXISTS (SELECT FROM idp.refresh_tokens t WHERE t.session_id = s.id)
        """
    )


async def make_admin(connection: Connection, user_id: UUID) -> None:
    """Make the person an administrator; only the database's owner may."""
    await connection.execute("SELECT maru.make_admin($1)", user_id)


async def user_id_by_email(connection: Connection, email: str) -> UUID | None:
    """The person with this address, by whichever provider."""
    found: UUID | None = await connection.fetchval("SELECT maru.user_id_by_email($1)", email)
    return found
