"""The built-in identity provider."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.ids import new_id

from api.auth import errors, passwords, store
from api.auth.accounts import ensure_account
from api.auth.schemas import AuthUser, UserUpdate, storable
from api.auth.tokens import ACCESS_TOKEN_LIFETIME_S, REFRESH_TOKEN_DAYS, hash_token, new_refresh_token
from api.http import emails
from api.http.identity import SignedIn, SignInRefused, SignOutScope

if TYPE_CHECKING:
    from shared.db import Connection, Database, Principal, Record
    from shared.outbox import Relay

    from api.auth.gate import Standings
    from api.auth.passwords import Passwords
    from api.auth.tokens import TokenSigner

_REUSED = "a refresh token was used twice"


class AuthService:
    """Accounts with password, sessions, and rotating refresh tokens; an `IdentityProvider`."""

    def __init__(
        self, database: Database, signer: TokenSigner, hashes: Passwords, standings: Standings, relay: Relay
    ) -> None:
        self._database = database
        self._signer = signer
        self._hashes = hashes
        self._standings = standings
        self._relay = relay

    def jwks(self) -> dict[str, Any]:
        """The public keys."""
        return self._signer.jwks()

    async def sign_up(self, email: str, password: str, metadata: Mapping[str, Any]) -> SignedIn:
        """Make account, profile and personal space with their event in one transaction, and sign in."""
        address, secret = emails.normalise(email), passwords.prepare(password)
        passwords.check_strength(secret, address)
        # Hashed before looking, so that a taken address takes no less time.
        encoded = await self._hashes.hash(secret)
        user_id = new_id()
        async with self._database.service_tx() as connection:
            if not await store.add_user(connection, user_id, address, encoded, dict(metadata)):
                raise errors.UserAlreadyExists
            await ensure_account(connection, user_id, address, metadata)
            signed_in = await self._begin(connection, user_id, encoded)
        await self._relay.after_commit()
        return signed_in

    async def sign_in(self, email: str, password: str) -> SignedIn:
        """Begin a session; the same refusal, after the same work, for a wrong password and an unknown address."""
        address, secret = emails.normalise(email), passwords.prepare(password)
        async with self._database.service_tx() as connection:
            user = await store.user_by_email(connection, address)
        encoded = user["password_hash"] if user else None
        if not await self._hashes.verify(encoded, secret) or user is None or encoded is None:
            raise SignInRefused
        renewed = await self._hashes.hash(secret) if self._hashes.is_outdated(encoded) else None
        async with self._database.service_tx() as connection:
            return await self._begin(connection, user["id"], encoded, renewed)

    async def refresh(self, connection: Connection, refresh_token: str) -> SignedIn | SignInRefused:
        """Exchange a refresh token once. One that comes again after its exchange ends its session: two people hold it."""
        token_hash = hash_token(refresh_token)
        taken = await store.take_refresh_token(connection, token_hash)
        if taken is None or taken["expired"] or taken["revoked"]:
            return errors.RefreshTokenNotFound()
        if taken["reused"]:
            await store.revoke_session(connection, taken["session_id"], _REUSED)
            self._standings.forget(taken["id"])
            return errors.RefreshTokenAlreadyUsed()
        await store.mark_used(connection, token_hash)
        return await self._hand_out(connection, taken)

    async def exchange(self, refresh_token: str) -> SignedIn:
        """`refresh` in a transaction of its own; a refusal is raised once what it wrote is committed."""
        async with self._database.service_tx() as connection:
            answer = await self.refresh(connection, refresh_token)
        if isinstance(answer, SignInRefused):
            raise answer
        return answer

    async def is_alive(self, connection: Connection, session_id: str | None) -> bool:
        """Whether the session stands."""
        return session_id is not None and await store.is_session_alive(connection, UUID(session_id))

    async def sign_out(self, user_id: UUID, session_id: str | None, access_token: str, scope: SignOutScope) -> None:  # noqa: ARG002
        """End sessions; this process refuses their access tokens at once, others within seconds."""
        current = UUID(session_id) if session_id else None
        async with self._database.service_tx() as connection:
            match scope:
                case "local" if current:
                    await store.revoke_session(connection, current, "signed out")
                case "local":
                    return
                case "global":
                    await store.revoke_sessions(connection, user_id, "signed out everywhere", None)
                case "others":
                    await store.revoke_sessions(connection, user_id, "signed out elsewhere", current)
        self._standings.forget(user_id)

    @property
    def tokens_live(self) -> timedelta:
        """A token dies with its session, and the session with the account."""
        return timedelta()

    async def confirm(self, user_id: UUID, email: str, password: str) -> None:  # noqa: ARG002 - the account is found by its id
        """Check the password; no session begins."""
        secret = passwords.prepare(password)
        async with self._database.service_tx() as connection:
            user = await store.user_by_id(connection, user_id)
        if not await self._hashes.verify(user["password_hash"] if user else None, secret):
            raise SignInRefused("The password is not right.")

    def check_can_erase(self) -> None:
        """It always can: accounts are rows of the same database."""

    async def erase(self, user_id: UUID) -> None:
        """Remove account, sessions and tokens."""
        async with self._database.service_tx() as connection:
            await store.remove_user(connection, user_id)
        self._standings.forget(user_id)

    async def user(self, principal: Principal) -> AuthUser:
        """The account."""
        async with self._database.service_tx() as connection:
            return user_object(await self._existing(connection, principal))

    async def update(self, principal: Principal, change: UserUpdate) -> AuthUser:
        """Change password or metadata. A new password ends the person's other sessions."""
        async with self._database.service_tx() as connection:
            user = await self._existing(connection, principal)
        if change.email is not None and emails.normalise(change.email) != user["email"]:
            raise errors.ValidationFailed("The e-mail address of an account cannot be changed.")
        encoded = await self._new_password(user, change)
        async with self._database.service_tx() as connection:
            user = await self._existing(connection, principal)
            if change.data is not None:
                await store.set_metadata(connection, user["id"], _merged(user["user_metadata"], change.data))
            if encoded is not None:
                session = UUID(principal.session_id) if principal.session_id else None
                await store.set_password(connection, user["id"], encoded)
                await store.revoke_sessions(connection, user["id"], "the password was changed", session)
            user = await self._existing(connection, principal)
        self._standings.forget(principal.user_id)
        return user_object(user)

    async def sweep(self) -> None:
        """Drop what ended long ago."""
        async with self._database.service_tx() as connection:
            await store.forget_ended(connection)

    async def _new_password(self, user: Record, change: UserUpdate) -> str | None:
        if change.current_password is not None and not await self._hashes.verify(
            user["password_hash"], passwords.prepare(change.current_password)
        ):
            raise SignInRefused("The current password is not right.")
        if change.password is None:
            return None
        secret = passwords.prepare(change.password)
        passwords.check_strength(secret, user["email"])
        if await self._hashes.verify(user["password_hash"], secret):
            raise errors.SamePassword
        return await self._hashes.hash(secret)

    async def _existing(self, connection: Connection, principal: Principal) -> Record:
        user = await store.user_by_id(connection, principal.user_id)
        if user is None:
            raise errors.BadJwt
        return user

    async def _begin(self, connection: Connection, user_id: UUID, encoded: str, renewed: str | None = None) -> SignedIn:
        begun = await store.begin_session(connection, user_id, encoded, new_id(), renewed)
        if begun is None:
            raise SignInRefused
        return await self._hand_out(connection, begun)

    async def _hand_out(self, connection: Connection, row: Record) -> SignedIn:
        token, token_hash = new_refresh_token()
        await store.add_refresh_token(connection, token_hash, row["session_id"], REFRESH_TOKEN_DAYS)
        user = user_object(row).model_dump(mode="json")
        session_id, now = str(row["session_id"]), int(row["now"])
        access = self._signer.access_token(user, session_id, now)
        return SignedIn(access, token, now + ACCESS_TOKEN_LIFETIME_S, row["id"], session_id, user)


def user_object(row: Record) -> AuthUser:
    """Supabase Auth's user object from a row of `idp.users`; there is no confirmation step, so an address is confirmed when it is registered."""
    identity = {
        "id": str(row["id"]),
        "identity_id": str(row["id"]),
        "user_id": row["id"],
        "identity_data": {"sub": str(row["id"]), "email": row["email"], "email_verified": False},
        "provider": "email",
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "last_sign_in_at": row["last_sign_in_at"],
    }
    return AuthUser.model_validate(
        {
            **{
                name: row[name] for name in ("id", "email", "user_metadata", "app_metadata", "created_at", "updated_at")
            },
            "last_sign_in_at": row["last_sign_in_at"],
            "email_confirmed_at": row["created_at"],
            "confirmed_at": row["created_at"],
            "identities": [identity],
        }
    )


def _merged(present: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = {key: value for key, value in {**present, **change}.items() if value is not None}
    try:
        return storable(merged)
    except ValueError as too_large:
        raise errors.ValidationFailed(f"data: {too_large}.") from too_large
