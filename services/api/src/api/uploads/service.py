"""Uploads: begin, complete, read, remove. A row is written before its object may come and goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.http.idempotency import OnceOnly
from shared.http.pages import decode_page_token, encode_page_token
from shared.ids import new_id
from shared.outbox import emit_event
from shared.storage.disposition import safe_filename
from shared.storage.keys import incoming_key, original_key
from shared.storage.media import MEDIA_TYPES, Kind, MediaType, media_type

from api.http import positions
from api.uploads import store
from api.uploads.arrival import Arrival
from api.uploads.errors import (
    NoThumbnail,
    SpaceNotFound,
    SpaceReadOnly,
    StorageQuotaExceeded,
    TooManyPendingUploads,
    UploadAttached,
    UploadAwaited,
    UploadNotFound,
    UploadNotReady,
    UploadTooLarge,
    UploadTypeUnsupported,
)
from api.uploads.parts import UploadInParts
from api.uploads.schemas import NewUpload, Upload, UploadFilter, UploadPage, UploadParts, UploadTicket

if TYPE_CHECKING:
    from shared.db import Connection, Database, Principal, Record
    from shared.outbox import Relay
    from shared.storage import ObjectStore

    from api.uploads.limits import UploadLimits

_SWEPT_AT_ONCE = 200


class UploadService:
    """Uploads as one person may see and write them."""

    def __init__(self, database: Database, relay: Relay, storage: ObjectStore, limits: UploadLimits) -> None:
        self._database = database
        self._relay = relay
        self._storage = storage
        self._limits = limits
        self._arrival = Arrival(database, storage)
        self._parts = UploadInParts(database, storage, limits)

    async def begin(self, principal: Principal, new: NewUpload, key: str | None) -> UploadTicket:
        """Promise a place to a file, and say where it is to be put."""
        media = self._accepted(new)
        async with self._database.tenant_tx(principal) as connection:
            # The same file in parts or in one piece is the same upload.
            wanted = new.model_dump(mode="json", exclude={"multipart"})
            once = OnceOnly(connection, principal.user_id, key, ("uploads", wanted))
            before = await once.recall()
            if before is None:
                upload_id = new_id()
                object_key = await self._reserve(connection, principal, new, media, upload_id)
                await once.remember({"id": str(upload_id)})
            else:
                upload_id = UUID(before["id"])
                object_key = _pending(await store.read(connection, upload_id))["object_key"]
        ticket = await self._ticket(upload_id, object_key, new)
        parts = await self._parts.begin(principal, upload_id, _announced(new)) if new.multipart else None
        if parts is not None:
            ticket.part_size, ticket.part_count, ticket.parts = parts.part_size, parts.part_count, parts.parts
        return ticket

    async def parts(self, principal: Principal, upload_id: UUID, after: int, limit: int) -> UploadParts:
        """Which parts have come, and where the next that have not can be put."""
        async with self._database.tenant_tx(principal) as connection:
            _writable(await store.read(connection, upload_id))
        return await self._parts.missing(principal, upload_id, after, limit)

    async def complete(self, principal: Principal, upload_id: UUID) -> Upload:
        """Check what came and keep it; what is not what was announced goes, with its row. A second call changes nothing."""
        async with self._database.tenant_tx(principal) as connection:
            upload = _writable(await store.read(connection, upload_id))
        if upload["status"] == "ready":
            return _upload(upload)
        digest = await self._arrival.take_in(principal, upload)
        async with self._database.tenant_tx(principal) as connection:
            ready = await store.complete(connection, upload_id, digest)
            if ready is not None:
                facts = {name: str(ready[name]) for name in ("space_id", "owner_id", "content_type")}
                await emit_event(connection, "upload.completed", upload_id, {"upload_id": str(upload_id), **facts})
            else:
                ready = await store.read(connection, upload_id)
        if ready is None:
            # The sweep took it for abandoned in this very moment.
            await self._storage.delete([upload["object_key"]])
            raise UploadNotFound
        await self._relay.after_commit()
        if upload["parts_id"] is not None:
            # Of a file that came in one piece after all.
            await self._storage.abort_parts(incoming_key(upload["object_key"]), upload["parts_id"])
        return _upload(ready)

    async def adopt(self, principal: Principal, upload_id: UUID, new: NewUpload, source_key: str) -> Kind:
        """Keep a copy of a file that lies with us already, under an id that the caller chose; a second call changes nothing."""
        media = self._accepted(new)
        async with self._database.tenant_tx(principal) as connection:
            upload = await store.read(connection, upload_id)
            if upload is None:
                object_key = await self._reserve(connection, principal, new, media, upload_id)
            else:
                object_key = upload["object_key"]
        if upload is None or upload["status"] == "pending":
            await self._storage.copy(source_key, incoming_key(object_key), content_type=media.name)
            await self.complete(principal, upload_id)
        return media.kind

    async def read(self, principal: Principal, upload_id: UUID) -> Upload:
        """What is known of an upload."""
        async with self._database.tenant_tx(principal) as connection:
            return _upload(_known(await store.read(connection, upload_id)))

    async def page(self, principal: Principal, wanted: UploadFilter, size: int, token: str | None) -> UploadPage:
        """A page of files, the newest first."""
        position = decode_page_token(token, 2, wanted.key())
        before = (positions.moment(position[0]), positions.identifier(position[1])) if position else None
        types = [media.name for media in MEDIA_TYPES if media.kind == wanted.kind] if wanted.kind else None
        async with self._database.tenant_tx(principal) as connection:
            rows = await store.page(connection, wanted, types, before, size + 1)
            total = await store.count(connection, wanted, types)
        last = rows[size - 1] if len(rows) > size else None
        more = encode_page_token((last["created_at"].isoformat(), last["id"]), wanted.key()) if last else None
        return UploadPage(uploads=[_upload(row) for row in rows[:size]], total=total, next_page_token=more)

    async def content_address(self, principal: Principal, upload_id: UUID) -> str:
        """Where the file can be read for some minutes."""
        upload = await self._ready(principal, upload_id)
        return await self._storage.presign_get(
            upload["object_key"],
            filename=upload["filename"],
            content_type=upload["content_type"],
            expires_s=self._limits.reading_s,
        )

    async def picture_address(self, principal: Principal, upload_id: UUID, name: str) -> str:
        """Where the `thumbnail_key` or `display_key` picture can be read for some minutes."""
        upload = await self._ready(principal, upload_id)
        if upload[name] is None:
            raise NoThumbnail
        return await self._storage.presign_get(
            upload[name], content_type="image/webp", expires_s=self._limits.reading_s
        )

    async def remove(self, principal: Principal, upload_id: UUID) -> None:
        """Take back an upload that no entry has and no task is still to read."""
        async with self._database.tenant_tx(principal) as connection:
            upload = _writable(await store.read(connection, upload_id))
            if await store.awaited(connection, upload_id):
                raise UploadAwaited
            if not await store.remove_unattached(connection, upload_id):
                raise UploadAttached
            # Before the commit: a crash in between leaves a row that can be removed again, and no file that nobody knows of.
            await self._arrival.forget(upload)

    async def forget_abandoned(self) -> int:
        """A job of the sweep: remove what nobody completed in time, files first; says how many there were."""
        async with self._database.service_tx() as connection:
            late = await store.expired(connection, _SWEPT_AT_ONCE)
        removed = 0
        for upload in late:
            async with self._database.space_tx(upload["space_id"]) as connection:
                if expired := await store.remove_expired(connection, upload["id"]):
                    await self._arrival.forget(expired)
                    removed += 1
        return removed

    def _accepted(self, new: NewUpload) -> MediaType:
        media = media_type(new.content_type, new.filename)
        if media is None:
            raise UploadTypeUnsupported
        most = self._limits.of(media.kind)
        if new.size > most:
            raise UploadTooLarge(
                f"A file of this kind may have {most // 2**20} MB; this one has {-(-new.size // 2**20)} MB. Make it smaller."
            )
        return media

    async def _reserve(
        self, connection: Connection, principal: Principal, new: NewUpload, media: MediaType, upload_id: UUID
    ) -> str:
        place = await store.place(connection, new.space_id)
        if place is None:
            raise SpaceNotFound
        if place["role"] == "viewer":
            raise SpaceReadOnly
        taken = await store.room_taken(connection, place["id"])
        if taken["bytes"] + new.size > self._limits.space:
            raise StorageQuotaExceeded
        if taken["pending"] >= self._limits.pending:
            raise TooManyPendingUploads
        object_key = original_key(place["id"], upload_id)
        row = store.UploadRow(
            id=upload_id,
            space_id=place["id"],
            owner_id=principal.user_id,
            filename=safe_filename(new.filename),
            content_type=media.name,
            size=new.size,
            sha256=new.sha256.lower() if new.sha256 else None,
            object_key=object_key,
            keep_location=new.keep_location,
            lifetime_s=self._limits.abandoned_s,
        )
        await store.add(connection, row)
        return object_key

    async def _ticket(self, upload_id: UUID, object_key: str, new: NewUpload) -> UploadTicket:
        request = await self._storage.presign_put(
            incoming_key(object_key),
            content_type=_announced(new),
            size=new.size,
            expires_s=self._limits.address_s,
            sha256=new.sha256.lower() if new.sha256 else None,
        )
        return UploadTicket(
            id=upload_id, url=request.url, method="PUT", headers=dict(request.headers), expires_at=request.expires_at
        )

    async def _ready(self, principal: Principal, upload_id: UUID) -> Record:
        async with self._database.tenant_tx(principal) as connection:
            upload = _known(await store.read(connection, upload_id))
        if upload["status"] != "ready":
            raise UploadNotReady
        return upload


def _known(upload: Record | None) -> Record:
    if upload is None:
        raise UploadNotFound
    return upload


def _writable(upload: Record | None) -> Record:
    upload = _known(upload)
    if upload["role"] == "viewer":
        raise SpaceReadOnly
    return upload


def _pending(upload: Record | None) -> Record:
    upload = _known(upload)
    if upload["status"] != "pending":
        raise UploadNotFound(
            "The upload that was begun with this Idempotency-Key is complete. Use a new key for a new file."
        )
    return upload


def _announced(new: NewUpload) -> str:
    """As the client calls it: a browser sends that with the file, whatever our own name for the type is."""
    return new.content_type.strip() or "application/octet-stream"


def _upload(upload: Record) -> Upload:
    address = f"/api/v1/uploads/{upload['id']}"
    fields: dict[str, Any] = {name: upload[name] for name in Upload.model_fields if not name.endswith("_url")}
    thumbnail = f"{address}/thumbnail" if upload["thumbnail_key"] else None
    return Upload(**fields, content_url=f"{address}/content", thumbnail_url=thumbnail)
