"""Browser sessions over whichever identity provider is configured."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared.errors import NotFound, Unauthenticated
from shared.ids import new_id

from api.http.identity import SignedIn, SignInRefused
from api.ui_sessions import store
from api.ui_sessions.schemas import NewSession, SessionToken, Ticket, TicketRequest, UiSession
from api.ui_sessions.seal import SealBroken

if TYPE_CHECKING:
    from uuid import UUID

    from shared.db import Connection, Database, Principal, Record

    from api.http.identity import IdentityProvider
    from api.ui_sessions.seal import Seal

TICKET_LIFETIME_S = 30
SESSION_LIFETIME_S = 30 * 24 * 3600
# A script that gets a token must be able to finish with it.
_MARGIN_S = 120
_MAX_USER_AGENT = 300


class TicketInvalid(Unauthenticated):
    """Unknown, expired, or traded before."""

    code = "ticket_invalid"
    title = "The ticket is not valid"
    default_detail = "Sign in again: a ticket opens one session, once, within 30 seconds."


class SessionEnded(Unauthenticated):
    """No such session, or it was signed out."""

    code = "session_ended"
    title = "This session has ended"
    default_detail = "Sign in again."


class UiSessionService:
    """Tickets, sessions and their short access tokens."""

    def __init__(self, database: Database, provider: IdentityProvider, seal: Seal) -> None:
        self._database = database
        self._provider = provider
        self._seal = seal

    async def issue_ticket(self, request: TicketRequest, user_agent: str | None) -> Ticket:
        """Prove who one is; what the ticket opens is kept sealed."""
        if request.sign_up:
            metadata = {"name": request.name, "locale": request.locale}
            given = {key: value for key, value in metadata.items() if value}
            signed_in = await self._provider.sign_up(request.email, request.password, given)
        else:
            signed_in = await self._provider.sign_in(request.email, request.password)
        ticket, ticket_hash = _new_secret()
        async with self._database.service_tx() as connection:
            await store.add_ticket(
                connection,
                ticket_hash,
                signed_in.user_id,
                signed_in.session_id,
                self._seal.close(signed_in),
                _moment(signed_in),
                user_agent[:_MAX_USER_AGENT] if user_agent else None,
                TICKET_LIFETIME_S,
            )
        return Ticket(ticket=ticket, expires_in=TICKET_LIFETIME_S)

    async def open(self, ticket: str) -> NewSession:
        """Trade a ticket for a session."""
        handle, handle_hash = _new_secret()
        async with self._database.service_tx() as connection:
            traded = await store.trade_ticket(connection, _hash(ticket), new_id(), handle_hash, SESSION_LIFETIME_S)
        if not traded:
            raise TicketInvalid
        return NewSession(session=handle, max_age=SESSION_LIFETIME_S)

    async def token(self, handle: str) -> SessionToken:
        """A short access token; everybody who asks at once gets the same one, since a row lock lets one of them exchange."""
        async with self._database.service_tx() as connection:
            session = await store.read(connection, _hash(handle), _MARGIN_S)
            token = await self._usable(connection, session) if session else None
            if session is not None and token is not None and session["unnoted"]:
                await store.note_use(connection, session["id"])
        if session is None:
            raise SessionEnded
        return token or await self._exchange(handle)

    async def close(self, handle: str) -> None:
        """Sign this browser out; a handle that is none is already out."""
        async with self._database.service_tx() as connection:
            session = await store.read(connection, _hash(handle), 0, lock=True)
            if session is not None:
                await store.remove(connection, session["id"])
        if session is not None:
            await self._sign_out(session)

    async def close_one(self, principal: Principal, session_id: UUID) -> None:
        """Sign another of one's browsers out."""
        async with self._database.service_tx() as connection:
            session = await store.remove_own(connection, principal.user_id, session_id)
        if session is None:
            raise NotFound
        await self._sign_out(session)

    async def close_all(self, principal: Principal, access_token: str) -> None:
        """Sign out everywhere: browsers at once, and with the provider every session there is."""
        async with self._database.service_tx() as connection:
            await store.remove_all(connection, principal.user_id)
        await self._provider.sign_out(principal.user_id, principal.session_id, access_token, "global")

    async def list(self, principal: Principal) -> list[UiSession]:
        """The person's signed-in browsers."""
        async with self._database.service_tx() as connection:
            rows = [
                row
                for row in await store.listed(connection, principal.user_id)
                if row["auth_session_id"] is None or await self._provider.is_alive(connection, row["auth_session_id"])
            ]
        own = principal.session_id
        return [
            UiSession(
                **{name: row[name] for name in ("id", "user_agent", "created_at", "last_used_at", "expires_at")},
                current=own is not None and row["auth_session_id"] == own,
            )
            for row in rows
        ]

    async def sweep(self) -> None:
        """Drop what has expired."""
        async with self._database.service_tx() as connection:
            await store.forget_expired(connection)

    async def _usable(self, connection: Connection, session: Record) -> SessionToken | None:
        """The token at hand, if it is fresh and was not revoked behind our back."""
        if not session["fresh"] or not await self._provider.is_alive(connection, session["auth_session_id"]):
            return None
        try:
            return _token(self._seal.open(session["sealed_tokens"]))
        except SealBroken:
            return None

    async def _exchange(self, handle: str) -> SessionToken:
        async with self._database.service_tx() as connection:
            session = await store.read(connection, _hash(handle), _MARGIN_S, lock=True)
            token = None
            if session is not None:
                # Whoever held the lock before may have exchanged already.
                token = await self._usable(connection, session) or await self._renew(connection, session)
        if token is None:
            raise SessionEnded
        return token

    async def _renew(self, connection: Connection, session: Record) -> SessionToken | None:
        try:
            held = self._seal.open(session["sealed_tokens"])
        except SealBroken:
            await store.remove(connection, session["id"])
            return None
        renewed = await self._provider.refresh(connection, held["refresh_token"])
        if isinstance(renewed, SignInRefused):
            if renewed.status == 429:
                raise renewed
            await store.remove(connection, session["id"])
            return None
        sealed = self._seal.close(renewed)
        await store.replace_tokens(connection, session["id"], sealed, _moment(renewed), SESSION_LIFETIME_S)
        return SessionToken(access_token=renewed.access_token, expires_at=renewed.expires_at, user=dict(renewed.user))

    async def _sign_out(self, session: Record) -> None:
        try:
            access_token = self._seal.open(session["sealed_tokens"])["access_token"]
        except SealBroken:
            access_token = ""
        await self._provider.sign_out(session["user_id"], session["auth_session_id"], access_token, "local")


def _token(held: dict[str, Any]) -> SessionToken:
    return SessionToken(access_token=held["access_token"], expires_at=held["expires_at"], user=held["user"])


def _moment(signed_in: SignedIn) -> datetime:
    return datetime.fromtimestamp(signed_in.expires_at, UTC)


def _new_secret() -> tuple[str, bytes]:
    secret = secrets.token_urlsafe(32)
    return secret, _hash(secret)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
