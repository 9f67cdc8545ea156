"""What can be done with entries: each method is one transaction, with the event it promises."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from shared.errors import Problem
from shared.http.idempotency import OnceOnly
from shared.http.pages import PageTokenInvalid, decode_page_token, encode_page_token
from shared.ids import new_id
from shared.outbox import emit_event
from shared.streams import store as stream_store

from api.entries import attaching, reading_store, store
from api.entries.errors import (
    EntryNotFailed,
    EntryNotFound,
    InsightNotCorrected,
    InsightsNotReady,
    NoteIsBlank,
    PersonNotFound,
    SpaceNotFound,
    SpaceReadOnly,
    VersionNotFound,
    VersionOutdated,
)

if TYPE_CHECKING:
    from shared.db import Connection, Database, Principal, Record
    from shared.outbox import Relay

    from api.entries.schemas import EntryChange, EntryFilter, InsightCorrection, NewEntry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EntryService:
    """Entries as one person may see and write them."""

    database: Database
    relay: Relay

    async def create(self, principal: Principal, new: NewEntry, key: str | None) -> str:
        """Save an entry; the answer is its JSON."""
        async with self.database.tenant_tx(principal) as connection:
            once = OnceOnly(connection, principal.user_id, key, ("entries", new.model_dump(mode="json")))
            if (before := await once.recall()) is not None:
                return json.dumps(before, ensure_ascii=False)
            entry_id = await _insert(connection, principal, new)
            saved = await _shown(connection, entry_id)
            if key is not None:
                await once.remember(json.loads(saved))
        await self.relay.after_commit()
        return saved

    async def read(self, principal: Principal, entry_id: UUID) -> str:
        """An entry's JSON."""
        return _found(await reading_store.hot_entry(self.database, principal.user_id, entry_id), EntryNotFound)

    async def page(self, principal: Principal, wanted: EntryFilter, size: int, token: str | None) -> str:
        """A page of entries as JSON, the latest first."""
        after = _position(decode_page_token(token, 2, wanted.key()))
        async with self.database.tenant_tx(principal) as connection:
            rows = await reading_store.page(connection, wanted, after, size + 1)
        more = encode_page_token(rows[size - 1][:2], wanted.key()) if len(rows) > size else None
        entries = ",".join(text for *_, text in rows[:size])
        return f'{{"entries":[{entries}],"next_page_token":{json.dumps(more)}}}'

    async def change(self, principal: Principal, entry_id: UUID, wanted: EntryChange) -> str:
        """Change an entry; another body makes a new version, which is understood anew."""
        async with self.database.tenant_tx(principal) as connection:
            current = await _writable(connection, entry_id)
            if wanted.version is not None and wanted.version != current["version"]:
                raise VersionOutdated(current_version=current["version"])
            await _apply(connection, principal, current, wanted)
            changed = await _shown(connection, entry_id)
        await self.relay.after_commit()
        return changed

    async def delete(self, principal: Principal, entry_id: UUID) -> None:
        """Delete an entry; its vectors and files follow."""
        async with self.database.tenant_tx(principal) as connection:
            current = await _writable(connection, entry_id)
            keys = await store.delete(connection, entry_id)
            body = {"entry_id": entry_id, "space_id": current["space_id"], "object_keys": keys}
            await emit_event(connection, "entry.deleted", entry_id, body)
        await self.relay.after_commit()

    async def retry(self, principal: Principal, entry_id: UUID) -> str:
        """Take a failed entry up again at the step that failed; one that is at work already is left alone."""
        async with self.database.tenant_tx(principal) as connection:
            current = await _writable(connection, entry_id)
            restarted = await store.restart(connection, entry_id, new_id())
            if restarted is not None:
                await _announce_saved(connection, restarted)
            elif current["status"] == "ready":
                raise EntryNotFailed
            shown = await _shown(connection, entry_id)
        await self.relay.after_commit()
        return shown

    async def correct(self, principal: Principal, entry_id: UUID, correction: InsightCorrection) -> str:
        """Put insights right."""
        async with self.database.tenant_tx(principal) as connection:
            current = await _writable(connection, entry_id)
            if not await store.correct_insights(connection, entry_id, principal.user_id, correction.fields()):
                raise InsightsNotReady
            await _announce_correction(connection, current)
            shown = await _shown(connection, entry_id)
        await self.relay.after_commit()
        return shown

    async def undo_correction(self, principal: Principal, entry_id: UUID, field: str) -> str:
        """Show what was computed again."""
        async with self.database.tenant_tx(principal) as connection:
            current = await _writable(connection, entry_id)
            if not await store.undo_correction(connection, entry_id, field):
                raise InsightNotCorrected
            await _announce_correction(connection, current)
            shown = await _shown(connection, entry_id)
        await self.relay.after_commit()
        return shown

    async def versions(self, principal: Principal, entry_id: UUID) -> str:
        """The history's JSON."""
        async with self.database.tenant_tx(principal) as connection:
            return _found(await reading_store.versions(connection, entry_id), EntryNotFound)

    async def version(self, principal: Principal, entry_id: UUID, number: int) -> str:
        """One version's JSON: what a citation of it opens."""
        async with self.database.tenant_tx(principal) as connection:
            return _found(await reading_store.version(connection, entry_id, number), VersionNotFound)

    async def stream_of(self, principal: Principal, entry_id: UUID) -> UUID:
        """The stream that tells how far the newest version is."""
        async with self.database.tenant_tx(principal) as connection:
            return _found(await reading_store.current_stream(connection, entry_id), EntryNotFound)


async def _insert(connection: Connection, principal: Principal, new: NewEntry) -> UUID:
    if new.kind == "note" and not new.body.strip():
        raise NoteIsBlank
    place = await store.place(connection, new.space_id)
    if place is None:
        raise SpaceNotFound
    if place["role"] == "viewer":
        raise SpaceReadOnly
    await _check_person(connection, new.person_id, place["id"])
    await attaching.check(connection, new.kind, new.uploads, place["id"])
    row = store.EntryRow(
        id=new_id(),
        stream_id=new_id(),
        space_id=place["id"],
        author_id=principal.user_id,
        person_id=new.person_id,
        kind=new.kind,
        title=new.title or None,
        occurred_at=new.occurred_at,
        note=new.body,
        uploads=new.uploads,
    )
    await store.insert(connection, row)
    await _announce_saved(
        connection, {"id": row.id, "version": 1, "space_id": row.space_id, "author_id": row.author_id}
    )
    return row.id


async def _apply(connection: Connection, principal: Principal, current: Record, wanted: EntryChange) -> None:
    fields = wanted.model_dump(exclude_unset=True, exclude={"version"})
    title = (fields["title"] or None) if "title" in fields else current["title"]
    occurred_at = wanted.occurred_at or current["occurred_at"]
    person_id = fields.get("person_id", current["person_id"])
    if person_id != current["person_id"]:
        await _check_person(connection, person_id, current["space_id"])
    moved = (title, occurred_at, person_id) != (current["title"], current["occurred_at"], current["person_id"])
    if moved:
        await store.change(connection, current["id"], title, occurred_at, person_id)
    if "body" in fields and fields["body"] != current["note"]:
        await _begin_version(connection, principal, current, fields["body"])
    elif moved:
        body = {"entry_id": current["id"], "space_id": current["space_id"], "version": current["version"]}
        await emit_event(connection, "entry.changed", current["id"], body)


async def _begin_version(connection: Connection, principal: Principal, current: Record, note: str) -> None:
    if current["kind"] == "note" and not note.strip():
        raise NoteIsBlank
    version = await store.add_version(connection, current["id"], note, new_id(), principal.user_id)
    # Whoever follows the version before learns that nothing more will come of it.
    await stream_store.finish_next(connection, current["stream_id"], "cancelled", "cancelled", {"replaced_by": version})
    await _announce_saved(connection, {**current, "version": version})


async def _announce_saved(connection: Connection, entry: Record) -> None:
    body = {"entry_id": entry["id"], "version": entry["version"], "space_id": entry["space_id"]}
    await emit_event(connection, "entry.saved", entry["id"], {**body, "author_id": entry["author_id"]})


async def _announce_correction(connection: Connection, entry: Record) -> None:
    body = {"entry_id": entry["id"], "space_id": entry["space_id"]}
    await emit_event(connection, "entry.insights_corrected", entry["id"], body)


async def _check_person(connection: Connection, person_id: UUID | None, space_id: UUID) -> None:
    if person_id is not None and not await store.person_in_space(connection, person_id, space_id):
        raise PersonNotFound


async def _writable(connection: Connection, entry_id: UUID) -> dict[str, Any]:
    """The entry, locked; a viewer is told that they are one, a stranger nothing."""
    if (current := await store.lock(connection, entry_id)) is not None:
        return dict(current)
    raise SpaceReadOnly if await reading_store.visible(connection, entry_id) else EntryNotFound


async def _shown(connection: Connection, entry_id: UUID) -> str:
    return _found(await reading_store.entry(connection, entry_id), EntryNotFound)


def _found(value: T | None, missing: type[Problem]) -> T:
    if value is None:
        raise missing
    return value


def _position(parts: list[str] | None) -> tuple[datetime, UUID] | None:
    if parts is None:
        return None
    try:
        return datetime.fromisoformat(parts[0]), UUID(parts[1])
    except ValueError as error:
        raise PageTokenInvalid from error
