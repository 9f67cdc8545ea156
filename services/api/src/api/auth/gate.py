"""From a bearer token to a principal: the token's own word, then what only the database knows."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from shared.auth import AccessTokenInvalid
from shared.db import Principal
from shared.errors import Forbidden

from api.auth import store
from api.auth.accounts import ensure_account

if TYPE_CHECKING:
    from shared.auth import AccessClaims, TokenVerifier
    from shared.db import Database
    from shared.outbox import Relay

# How long an instance may go on accepting the access token of a session that another instance has ended.
STANDING_LIFETIME_S = 10
_KEPT = 5_000


class SessionEnded(AccessTokenInvalid):
    """The token is genuine, but its session was signed out."""

    code = "session_ended"
    title = "This session has ended"
    default_detail = "Sign in again."


class EmailMissing(Forbidden):
    """The provider authenticated somebody without an e-mail address."""

    code = "email_required"
    title = "An e-mail address is needed"
    default_detail = "Sign in with an account that has an e-mail address."


@dataclass(frozen=True, slots=True)
class _Standing:
    principal: Principal
    until: float


class Standings:
    """What was lately known about sessions, so that not every request has to ask the database."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[tuple[UUID, str | None], _Standing] = OrderedDict()

    def get(self, claims: AccessClaims) -> Principal | None:
        """The principal, if it was looked up within the last seconds."""
        standing = self._known.get((claims.user_id, claims.session_id))
        return standing.principal if standing is not None and standing.until > self._clock() else None

    def put(self, claims: AccessClaims, principal: Principal) -> None:
        """Remember it for some seconds."""
        self._known[claims.user_id, claims.session_id] = _Standing(principal, self._clock() + STANDING_LIFETIME_S)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)

    def forget(self, user_id: UUID) -> None:
        """Look at this person again at their next request."""
        for key in [key for key in self._known if key[0] == user_id]:
            del self._known[key]


class Gate:
    """Authenticates requests.

    Whether somebody is an administrator is read from their profile and never from the token, parts of which they can write themselves. With
    `own_sessions` (the built-in provider) a token dies with its session; Supabase's tokens live until they expire, within an hour.
    """

    def __init__(
        self, verifier: TokenVerifier, database: Database, standings: Standings, relay: Relay, *, own_sessions: bool
    ) -> None:
        self._verifier = verifier
        self._database = database
        self._standings = standings
        self._relay = relay
        self._own_sessions = own_sessions

    async def authenticate(self, token: str) -> Principal:
        """Who the token stands for; raises `Unauthenticated`."""
        claims = await self._verifier.verify(token)
        principal = self._standings.get(claims)
        if principal is None:
            principal = await self._look_up(claims)
            self._standings.put(claims, principal)
        return principal

    async def _look_up(self, claims: AccessClaims) -> Principal:
        session = self._session(claims)
        async with self._database.service_tx() as connection:
            standing = await store.standing(connection, claims.user_id, session, claims.email)
            if not standing["alive"]:
                raise SessionEnded
            if not standing["has_account"]:
                if not claims.email:
                    raise EmailMissing
                await ensure_account(connection, claims.user_id, claims.email, claims.metadata)
        if not standing["has_account"]:
            await self._relay.after_commit()
        return Principal(claims.user_id, claims.email, claims.session_id, bool(standing["is_admin"]))

    def _session(self, claims: AccessClaims) -> UUID | None:
        if not self._own_sessions:
            return None
        try:
            return UUID(claims.session_id)
        except (TypeError, ValueError) as foreign:
            raise AccessTokenInvalid from foreign
