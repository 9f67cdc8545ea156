"""People; each method is one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from shared.contracts.identity import Person
from shared.errors import Forbidden, NotFound
from shared.http.idempotency import OnceOnly
from shared.http.pages import decode_page_token, encode_page_token
from shared.ids import new_id

from api.http import positions
from api.people import store
from api.people.schemas import NewPerson, PersonChange, PersonPage

if TYPE_CHECKING:
    from shared.db import Connection, Database, Principal, Record


class PersonNotFound(NotFound):
    """No such person, or not in a space of the caller."""

    code = "person_not_found"
    default_detail = "There is no such person in your spaces."


class SpaceNotFound(NotFound):
    """No such space, or one the caller is not in."""

    code = "space_not_found"
    default_detail = "There is no such space, or you do not belong to it."


class SpaceReadOnly(Forbidden):
    """The caller is a viewer there."""

    code = "space_read_only"
    default_detail = "You may read this space, but not write to it. Ask an owner to make you an editor."


class PersonService:
    """People as one person may see and write them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, principal: Principal, space_id: UUID | None, size: int, token: str | None) -> PersonPage:
        """People of one space, or of all of one's spaces."""
        after = _position(decode_page_token(token, 2, (space_id,)))
        async with self._database.tenant_tx(principal) as connection:
            if space_id is not None and await store.place(connection, space_id) is None:
                raise SpaceNotFound
            rows = await store.page(connection, space_id, after, size + 1)
        last = rows[size - 1] if len(rows) > size else None
        more = encode_page_token((last["name"], last["id"]), (space_id,)) if last else None
        return PersonPage(people=[_person(row) for row in rows[:size]], next_page_token=more)

    async def create(self, principal: Principal, new: NewPerson, key: str | None) -> Person:
        """Add a person to a space."""
        async with self._database.tenant_tx(principal) as connection:
            once = OnceOnly(connection, principal.user_id, key, ("people", new.model_dump(mode="json")))
            if (before := await once.recall()) is not None:
                return Person.model_validate(before)
            place = await store.place(connection, new.space_id)
            if place is None:
                raise SpaceNotFound
            _may_write(place)
            person = _person(await store.add(connection, new_id(), place["id"], new))
            await once.remember(person.model_dump(mode="json"))
        return person

    async def read(self, principal: Principal, person_id: UUID) -> Person:
        """One person."""
        async with self._database.tenant_tx(principal) as connection:
            return _person(await _known(connection, person_id))

    async def change(self, principal: Principal, person_id: UUID, change: PersonChange) -> Person:
        """Change what is known about a person."""
        async with self._database.tenant_tx(principal) as connection:
            _may_write(await _known(connection, person_id))
            row = await store.change(connection, person_id, change.model_dump(exclude_unset=True))
        if row is None:
            raise PersonNotFound
        return _person(row)

    async def delete(self, principal: Principal, person_id: UUID) -> None:
        """Delete a person; entries about them stay."""
        async with self._database.tenant_tx(principal) as connection:
            _may_write(await _known(connection, person_id))
            await store.delete(connection, person_id)


async def _known(connection: Connection, person_id: UUID) -> Record:
    person = await store.read(connection, person_id)
    if person is None:
        raise PersonNotFound
    return person


def _may_write(row: Record) -> None:
    if row["role"] == "viewer":
        raise SpaceReadOnly


def _person(row: Record) -> Person:
    return Person.model_validate(dict(row))


def _position(parts: list[str] | None) -> tuple[str, UUID] | None:
    return (positions.text(parts[0]), positions.identifier(parts[1])) if parts else None
