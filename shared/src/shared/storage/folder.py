"""Files in a folder, for one machine.

An object is one file: its bytes, then a trailer with type, size and hash. One rename publishes all of it, so no crash can part them, and a
copy is a hard link. File names end in `~`, which no key contains: `a` and `a/b` can both be objects, as in a bucket.
"""

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from shared.storage.errors import ObjectChanged, ObjectMissing, ObjectTooLarge, PartsGone, StorageAway
from shared.storage.folder_file import Draft, disk_errors, open_object
from shared.storage.folder_parts import FolderParts
from shared.storage.keys import INCOMING, check_key, check_prefix
from shared.storage.port import ObjectInfo, Part, SignedRequest
from shared.storage.signing import Grant, check_keys, sign, verify

_PIECE = 256 * 1024
_DRAFTS = ".drafts"
_FORGOTTEN_AFTER_S = 24 * 3600
_URL_PATH = "files"


class FolderStore:
    """Objects below `root`; `base_url` is where the api answers, which serves the signed addresses.

    The first of `secrets` signs, all of them are accepted; what may change is asked for each time. Several processes may use one folder.
    """

    def __init__(
        self,
        root: Path,
        base_url: str,
        secrets: Sequence[bytes] | Callable[[], Sequence[bytes]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        keys = secrets() if callable(secrets) else secrets
        check_keys(keys)
        self._root = root
        self._parts = FolderParts(root)
        self._base_url = base_url.rstrip("/")
        self._secrets = secrets if callable(secrets) else lambda: keys
        self._clock = clock
        self._prepared = False

    async def presign_put(
        self, key: str, *, content_type: str, size: int, expires_s: int, sha256: str | None = None
    ) -> SignedRequest:
        """See `ObjectStore`."""
        expires = int(self._clock()) + expires_s
        grant = Grant("PUT", key, expires, size=size, content_type=content_type, sha256=sha256)
        return SignedRequest(
            url=self._address(grant),
            method="PUT",
            headers={"Content-Type": content_type},
            expires_at=datetime.fromtimestamp(expires, UTC),
        )

    async def presign_get(
        self, key: str, *, filename: str | None = None, content_type: str | None = None, expires_s: int = 300
    ) -> str:
        """See `ObjectStore`."""
        expires = int(self._clock()) + expires_s
        return self._address(Grant("GET", key, expires, content_type=content_type, filename=filename))

    def allowed(self, method: str, key: str, query: str) -> Grant:
        """What a signed address allows. Raises `LinkRefused` or `LinkExpired`; a HEAD is allowed where a GET is."""
        return verify(self._secrets(), "PUT" if method == "PUT" else "GET", key, query, self._clock())

    async def receive(self, grant: Grant, pieces: AsyncIterator[bytes]) -> ObjectInfo:
        """Store what somebody sends to an address of `presign_put` or `presign_part`; of another length or hash nothing remains."""
        if grant.parts is not None:
            return await self._write_part(grant, grant.parts, pieces)
        return await self._write(
            grant.key, pieces, grant.content_type or "application/octet-stream", size=grant.size, sha256=grant.sha256
        )

    async def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore`."""
        return await asyncio.to_thread(_head, self._path(key))

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """See `ObjectStore`."""
        file, info = await asyncio.to_thread(open_object, self._path(key))
        with file:
            stop = info.size if end is None else min(end, info.size)
            await asyncio.to_thread(file.seek, start)
            while start < stop:
                piece = await asyncio.to_thread(file.read, min(_PIECE, stop - start))
                start += len(piece)
                yield piece

    async def put(self, key: str, data: bytes | AsyncIterator[bytes], content_type: str) -> ObjectInfo:
        """See `ObjectStore`."""
        return await self._write(key, _once(data) if isinstance(data, bytes) else data, content_type)

    async def download(self, key: str, path: Path, max_bytes: int) -> ObjectInfo:
        """See `ObjectStore`."""
        return await asyncio.to_thread(_download, self._path(key), path, max_bytes)

    async def copy(self, source: str, target: str, *, content_type: str | None = None, etag: str | None = None) -> None:
        """See `ObjectStore`."""
        await asyncio.to_thread(self._copy, self._path(source), self._path(target), content_type, etag)

    async def promote(
        self, source: str, target: str, *, content_type: str | None = None, etag: str | None = None
    ) -> None:
        """See `ObjectStore`."""
        try:
            await self.copy(source, target, content_type=content_type, etag=etag)
        except (ObjectMissing, ObjectChanged):
            if await self.head(target) is None:
                raise
        await self.delete([source])

    async def begin_parts(self, key: str, *, content_type: str) -> str:
        """See `ObjectStore`."""
        return await asyncio.to_thread(self._parts.begin, check_key(key), content_type)

    async def presign_part(self, key: str, parts_id: str, number: int, *, size: int, expires_s: int) -> SignedRequest:
        """See `ObjectStore`."""
        expires = int(self._clock()) + expires_s
        grant = Grant("PUT", check_key(key), expires, size=size, parts=parts_id, part=number)
        return SignedRequest(self._address(grant), "PUT", {}, datetime.fromtimestamp(expires, UTC))

    async def list_parts(self, key: str, parts_id: str) -> list[Part]:
        """See `ObjectStore`."""
        return await asyncio.to_thread(self._parts.listed, check_key(key), parts_id)

    async def complete_parts(self, key: str, parts_id: str, parts: Sequence[Part]) -> ObjectInfo:
        """See `ObjectStore`."""
        target = self._path(key)
        draft = await asyncio.to_thread(self._draft)
        try:
            return await asyncio.to_thread(self._parts.join, key, parts_id, parts, draft, target)
        except PartsGone:
            joined = await self.head(key)
            if joined is None:
                raise
            return joined
        finally:
            draft.discard()

    async def abort_parts(self, key: str, parts_id: str) -> None:
        """See `ObjectStore`."""
        await asyncio.to_thread(self._parts.abort, check_key(key), parts_id)

    async def delete(self, keys: Sequence[str]) -> None:
        """See `ObjectStore`."""
        await asyncio.to_thread(self._delete, [self._path(key) for key in keys])

    async def delete_prefix(self, prefix: str) -> int:
        """See `ObjectStore`."""
        await asyncio.to_thread(self._parts.abort_below, check_prefix(prefix))
        return await asyncio.to_thread(_delete_folder, self._root / prefix)

    async def forget_incoming(self) -> int:
        """Remove what arrived more than a day ago and was never promoted or completed, and say how much; a bucket has lifecycle rules for that."""
        before = time.time() - _FORGOTTEN_AFTER_S
        given_up = await asyncio.to_thread(self._parts.forget_old, before)
        return given_up + await asyncio.to_thread(_forget_old_objects, self._root / INCOMING, before)

    async def ready(self) -> None:
        """See `ObjectStore`."""
        await asyncio.to_thread(self._prepare)
        if not os.access(self._root, os.W_OK | os.X_OK):
            raise StorageAway("The folder for files cannot be written.")

    async def close(self) -> None:
        """See `ObjectStore`."""

    def _address(self, grant: Grant) -> str:
        return f"{self._base_url}/{_URL_PATH}/{sign(self._secrets()[0], grant)}"

    def _path(self, key: str) -> Path:
        return self._root / f"{check_key(key)}~"

    async def _write(
        self,
        key: str,
        pieces: AsyncIterator[bytes],
        content_type: str,
        *,
        size: int | None = None,
        sha256: str | None = None,
    ) -> ObjectInfo:
        target = self._path(key)
        draft = await asyncio.to_thread(self._draft)
        try:
            async for piece in pieces:
                # A piece that fits the buffer costs no thread; the body is refused as soon as it is longer than announced.
                if draft.add(piece, size):
                    await asyncio.to_thread(draft.drain)
            return await asyncio.to_thread(draft.publish, target, content_type, size, sha256)
        finally:
            draft.discard()

    async def _write_part(self, grant: Grant, parts_id: str, pieces: AsyncIterator[bytes]) -> ObjectInfo:
        target = await asyncio.to_thread(self._parts.check, grant.key, parts_id, grant.part)
        draft = await asyncio.to_thread(self._draft)
        try:
            async for piece in pieces:
                if draft.add(piece, grant.size):
                    await asyncio.to_thread(draft.drain)
            info = await asyncio.to_thread(draft.seal, "application/octet-stream", grant.size, grant.sha256)
            if not await asyncio.to_thread(draft.move_beside, target):
                raise PartsGone
            return info
        finally:
            draft.discard()

    def _draft(self) -> Draft:
        self._prepare()
        return Draft(self._root / _DRAFTS / uuid4().hex)

    def _prepare(self) -> None:
        if self._prepared:
            return
        drafts = self._root / _DRAFTS
        with disk_errors():
            drafts.mkdir(parents=True, exist_ok=True, mode=0o700)
            for draft in drafts.iterdir():
                _forget_if_old(draft)
        self._prepared = True

    def _copy(self, source: Path, target: Path, content_type: str | None, etag: str | None) -> None:
        file, info = open_object(source)
        with file:
            if etag is not None and info.etag != etag:
                raise ObjectChanged
            draft = self._draft()
            try:
                if content_type in {None, info.content_type} and draft.become_link_to(source):
                    # The link is to what had the name at that moment, which may be another file than the one just opened.
                    if etag is not None and draft.linked() != info:
                        raise ObjectChanged
                    draft.move_to(target)
                    return
                while piece := file.read(min(_PIECE, info.size - file.tell())):
                    if draft.add(piece, None):
                        draft.drain()
                draft.publish(target, content_type or info.content_type, info.size, info.sha256)
            finally:
                draft.discard()

    def _delete(self, paths: Sequence[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
            _remove_empty(path.parent, self._root)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _head(path: Path) -> ObjectInfo | None:
    try:
        file, info = open_object(path)
    except ObjectMissing:
        return None
    file.close()
    return info


def _download(source: Path, target: Path, max_bytes: int) -> ObjectInfo:
    file, info = open_object(source)
    with file:
        if info.size > max_bytes:
            raise ObjectTooLarge(f"The file has {info.size} bytes; at most {max_bytes} can be read here.")
        digest = hashlib.sha256()
        with disk_errors(), target.open("wb") as out:
            while piece := file.read(min(_PIECE, info.size - file.tell())):
                digest.update(piece)
                out.write(piece)
    return replace(info, sha256=digest.hexdigest())


def _delete_folder(folder: Path) -> int:
    count = sum(len([name for name in names if name.endswith("~")]) for _, _, names in os.walk(folder))
    shutil.rmtree(folder, ignore_errors=True)
    return count


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and root in folder.parents:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _forget_old_objects(folder: Path, before: float) -> int:
    count = 0
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(parent) / name
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    count += 1
        _remove_empty(Path(parent), folder)
    return count


def _forget_if_old(draft: Path) -> None:
    try:
        if draft.stat().st_mtime >= time.time() - _FORGOTTEN_AFTER_S:
            return
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink()
    except FileNotFoundError:
        return
