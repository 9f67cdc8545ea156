"""Spaces and their members; each method is one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.contracts.identity import Member, Role, Space
from shared.http.idempotency import OnceOnly
from shared.http.pages import decode_page_token, encode_page_token
from shared.http.ratelimit import Limit
from shared.ids import new_id

from api.http import emails, positions
from api.http.forgetting import promise_space_forgotten
from api.spaces import store
from api.spaces.errors import (
    AlreadyMember,
    LastOwner,
    MemberNotFound,
    NobodyRegistered,
    OwnersOnly,
    SpaceIsPersonal,
    SpaceNotFound,
    SpacesTooMany,
)
from api.spaces.schemas import MemberPage, NewMember, NewSpace, SpacePage

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.db import Connection, Database, Principal, Record
    from shared.http.ratelimit import RateLimiter
    from shared.outbox import Relay

_MOST_SPACES = 200
# An invitation tells whether an address has an account: nobody may try a list of them.
_INVITATIONS = Limit("invitations", per_minute=10, burst=30)


class SpaceService:
    """Spaces as one person may see and manage them."""

    def __init__(self, database: Database, relay: Relay, limiter: RateLimiter) -> None:
        self._database = database
        self._relay = relay
        self._limiter = limiter

    async def page(self, principal: Principal, size: int, token: str | None) -> SpacePage:
        """The spaces one is in."""
        after = _space_position(decode_page_token(token, 3))
        async with self._database.tenant_tx(principal) as connection:
            rows = await store.page(connection, after, size + 1)
        last = rows[size - 1] if len(rows) > size else None
        more = encode_page_token((last["kind"], last["created_at"].isoformat(), last["id"])) if last else None
        return SpacePage(spaces=[_space(row) for row in rows[:size]], next_page_token=more)

    async def create(self, principal: Principal, new: NewSpace, key: str | None) -> Space:
        """Make a shared space."""
        async with self._database.tenant_tx(principal) as connection:
            once = OnceOnly(connection, principal.user_id, key, ("spaces", new.model_dump()))
            if (before := await once.recall()) is not None:
                return Space.model_validate(before)
            if await store.count(connection) >= _MOST_SPACES:
                raise SpacesTooMany
            space_id = new_id()
            await store.create(connection, space_id, new.name)
            space = _space(await _visible(connection, space_id))
            await once.remember(space.model_dump(mode="json"))
        return space

    async def read(self, principal: Principal, space_id: UUID) -> Space:
        """One space."""
        async with self._database.tenant_tx(principal) as connection:
            return _space(await _visible(connection, space_id))

    async def rename(self, principal: Principal, space_id: UUID, name: str) -> Space:
        """Give it another name."""
        async with self._database.tenant_tx(principal) as connection:
            await _owned(connection, space_id)
            await store.rename(connection, space_id, name)
            return _space(await _visible(connection, space_id))

    async def delete(self, principal: Principal, space_id: UUID) -> None:
        """Delete a shared space with all that is in it; vectors and files follow the event."""
        async with self._database.tenant_tx(principal) as connection:
            await _shared(connection, space_id)
            await store.delete(connection, space_id)
            await promise_space_forgotten(connection, space_id, principal.user_id)
        await self._relay.after_commit()

    async def members(self, principal: Principal, space_id: UUID, size: int, token: str | None) -> MemberPage:
        """Who is in it."""
        after = _member_position(decode_page_token(token, 2, (space_id,)))
        async with self._database.tenant_tx(principal) as connection:
            await _visible(connection, space_id)
            rows = await store.members(connection, space_id, after, size + 1)
        last = rows[size - 1] if len(rows) > size else None
        more = encode_page_token((last["created_at"].isoformat(), last["user_id"]), (space_id,)) if last else None
        return MemberPage(members=[_member(row) for row in rows[:size]], next_page_token=more)

    async def add_member(self, principal: Principal, space_id: UUID, new: NewMember, key: str | None) -> Member:
        """Let somebody who has an account in."""
        await self._limiter.spend(_INVITATIONS, str(principal.user_id))
        async with self._database.tenant_tx(principal) as connection:
            once = OnceOnly(connection, principal.user_id, key, ("members", space_id, new.model_dump()))
            if (before := await once.recall()) is not None:
                return Member.model_validate(before)
            await _shared(connection, space_id)
            user_id = await store.user_id_by_email(connection, emails.normalise(new.email))
            if user_id is None:
                raise NobodyRegistered
            if not await store.add_member(connection, space_id, user_id, new.role):
                raise AlreadyMember
            member = _member(await _known_member(connection, space_id, user_id))
            await once.remember(member.model_dump(mode="json"))
        return member

    async def change_role(self, principal: Principal, space_id: UUID, user_id: UUID, role: Role) -> Member:
        """Give a member another role; the last owner stays one."""
        async with self._database.tenant_tx(principal) as connection:
            await _shared(connection, space_id)
            await store.lock(connection, space_id)
            member = await _known_member(connection, space_id, user_id)
            if role != "owner":
                await _not_last_owner(connection, space_id, member)
            await store.change_role(connection, space_id, user_id, role)
            return _member(await _known_member(connection, space_id, user_id))

    async def remove_member(self, principal: Principal, space_id: UUID, user_id: UUID) -> None:
        """Show a member out, or leave; the last owner does neither."""
        async with self._database.tenant_tx(principal) as connection:
            space = await _visible(connection, space_id)
            if user_id != principal.user_id and space["role"] != "owner":
                raise OwnersOnly
            if space["kind"] == "personal":
                raise SpaceIsPersonal
            if space["role"] == "owner":
                await store.lock(connection, space_id)
            await _not_last_owner(connection, space_id, await _known_member(connection, space_id, user_id))
            await store.remove_member(connection, space_id, user_id)


async def _visible(connection: Connection, space_id: UUID) -> Record:
    space = await store.read(connection, space_id)
    if space is None:
        raise SpaceNotFound
    return space


async def _owned(connection: Connection, space_id: UUID) -> Record:
    space = await _visible(connection, space_id)
    if space["role"] != "owner":
        raise OwnersOnly
    return space


async def _shared(connection: Connection, space_id: UUID) -> None:
    space = await _owned(connection, space_id)
    if space["kind"] == "personal":
        raise SpaceIsPersonal


async def _known_member(connection: Connection, space_id: UUID, user_id: UUID) -> Record:
    member = await store.member(connection, space_id, user_id)
    if member is None:
        raise MemberNotFound
    return member


async def _not_last_owner(connection: Connection, space_id: UUID, member: Record) -> None:
    if member["role"] == "owner" and await store.owner_count(connection, space_id) == 1:
        raise LastOwner


def _space(row: Record) -> Space:
    return Space.model_validate(dict(row))


def _member(row: Record) -> Member:
    return Member.model_validate(dict(row))


def _space_position(parts: list[str] | None) -> tuple[str, datetime, UUID] | None:
    return (positions.text(parts[0]), positions.moment(parts[1]), positions.identifier(parts[2])) if parts else None


def _member_position(parts: list[str] | None) -> tuple[datetime, UUID] | None:
    return (positions.moment(parts[0]), positions.identifier(parts[1])) if parts else None
