"""Making an administrator, for the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from shared.ids import new_id

from api.auth import passwords, store
from api.auth.accounts import ensure_account
from api.auth.passwords import Passwords
from api.http import emails

if TYPE_CHECKING:
    from shared.db import Database


class AccountMissing(Exception):
    """There is no such account, and without a password none can be made."""


class Accounts(Protocol):
    """The accounts of an identity provider elsewhere."""

    async def make(self, email: str, password: str) -> UUID | None:
        """Make an account; None when somebody has the address."""
        ...

    async def find(self, email: str) -> UUID | None:
        """Whose the address is."""
        ...

    async def set_password(self, user_id: UUID, password: str) -> None:
        """Give an account another password."""
        ...


async def create_admin(
    gateway: Database, owner: Database, email: str, password: str | None = None, elsewhere: Accounts | None = None
) -> UUID:
    """Make an administrator of `email` and return their id; an account that exists is promoted and keeps its password unless one is given.

    `gateway` connects as the gateway does, `owner` as the database's owner, since the gateway itself may not make administrators. `elsewhere` has the
    accounts when the provider is not the built-in one. Raises `SignInRefused` for an unfit address or password.
    """
    address = emails.normalise(email)
    user_id: UUID | None = None
    if elsewhere is not None:
        user_id = await _elsewhere(gateway, elsewhere, address, password)
    elif password is not None:
        user_id = await _with_password(gateway, address, password)
    if user_id is None:
        async with gateway.service_tx() as connection:
            user_id = await store.user_id_by_email(connection, address)
    if user_id is None:
        raise AccountMissing(f"Nobody has signed up as {address}. Give a password to make the account.")
    async with owner.service_tx() as connection:
        await store.make_admin(connection, user_id)
    return user_id


async def _elsewhere(gateway: Database, accounts: Accounts, address: str, password: str | None) -> UUID | None:
    """The account there, made or found, with profile and space here: who administers may never have opened the web app."""
    user_id = await accounts.make(address, password) if password is not None else None
    if user_id is None:
        user_id = await accounts.find(address)
        if user_id is not None and password is not None:
            await accounts.set_password(user_id, password)
    if user_id is not None:
        async with gateway.service_tx() as connection:
            await ensure_account(connection, user_id, address, {})
    return user_id


async def _with_password(gateway: Database, address: str, password: str) -> UUID:
    secret = passwords.prepare(password)
    passwords.check_strength(secret, address)
    hashes = Passwords()
    try:
        encoded = await hashes.hash(secret)
    finally:
        await hashes.close()
    async with gateway.service_tx() as connection:
        user_id = new_id()
        if not await store.add_user(connection, user_id, address, encoded, {}):
            present = await store.user_by_email(connection, address)
            assert present is not None, "the address was taken in this transaction"
            user_id = present["id"]
            await store.set_password(connection, user_id, encoded)
            await store.revoke_sessions(connection, user_id, "the password was changed", None)
        await ensure_account(connection, user_id, address, {})
    return user_id
