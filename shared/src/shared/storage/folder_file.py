"""One object as a file: bytes, then `{"content_type", "size", "sha256"}`, the length of that, and a mark."""

import errno
import hashlib
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from shared.storage.errors import BodyDiffers, ObjectMissing, StorageAway
from shared.storage.port import ObjectInfo

_MARK = b"maru"
_TAIL = struct.Struct(">I4s")
_BUFFER = 1024 * 1024
_FOLDER_RACES = 20


def open_object(path: Path) -> tuple[BinaryIO, ObjectInfo]:
    """The open file, at its first byte, and what its trailer says. Raises `ObjectMissing`; the caller closes it."""
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as missing:
        raise ObjectMissing from missing
    try:
        return file, _trailer(file)
    except BaseException:
        file.close()
        raise


def _trailer(file: BinaryIO) -> ObjectInfo:
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - _TAIL.size))
    tail = file.read(_TAIL.size)
    size, mark = _TAIL.unpack(tail) if len(tail) == _TAIL.size else (0, b"")
    start = length - _TAIL.size - size
    if mark != _MARK or start < 0:
        raise StorageAway("A stored file is damaged: its end is missing. Restore it from a copy.")
    file.seek(start)
    fields = json.loads(file.read(size))
    if fields["size"] != start:
        raise StorageAway("A stored file is damaged: its length is wrong. Restore it from a copy.")
    file.seek(0)
    return ObjectInfo(fields["size"], fields["content_type"], etag=fields["sha256"], sha256=fields["sha256"])


class Draft:
    """An object in the making, out of sight until `publish` or `move_to`. Call `discard` in the end, whatever happened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._buffer = bytearray()
        self._digest = hashlib.sha256()
        self._size = 0
        self._file: BinaryIO | None = None

    def add(self, piece: bytes, announced: int | None) -> bool:
        """Take a piece; True says that `drain` is due. Raises `BodyDiffers` once it is more than `announced`."""
        self._size += len(piece)
        if announced is not None and self._size > announced:
            raise BodyDiffers(f"More than the announced {announced} bytes came. Nothing was stored.")
        self._buffer += piece
        return len(self._buffer) >= _BUFFER

    def drain(self) -> None:
        """Write what is buffered."""
        with disk_errors():
            if self._file is None:
                self._file = os.fdopen(
                    os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0
                )
            self._digest.update(self._buffer)
            _write_all(self._file, self._buffer)
            self._buffer.clear()

    def publish(self, target: Path, content_type: str, size: int | None, sha256: str | None) -> ObjectInfo:
        """Check length and hash, make it durable, and put it in place of `target`."""
        info = self.seal(content_type, size, sha256)
        self.move_to(target)
        return info

    def seal(self, content_type: str, size: int | None, sha256: str | None) -> ObjectInfo:
        """Check length and hash, and make it durable; still out of sight."""
        self.drain()
        digest = self._digest.hexdigest()
        if size is not None and self._size != size:
            raise BodyDiffers(f"{self._size} bytes came, {size} were announced. Nothing was stored.")
        if sha256 is not None and digest != sha256:
            raise BodyDiffers("The SHA-256 of what came is not the announced one. Nothing was stored.")
        fields = json.dumps({"content_type": content_type, "size": self._size, "sha256": digest}).encode()
        with disk_errors():
            assert self._file is not None
            _write_all(self._file, fields + _TAIL.pack(len(fields), _MARK))
            os.fsync(self._file.fileno())
        return ObjectInfo(self._size, content_type, etag=digest, sha256=digest)

    def become_link_to(self, source: Path) -> bool:
        """Be another name of `source`, which nobody ever writes to again; False where the file system has no hard links."""
        try:
            os.link(source, self._path)
        except FileNotFoundError as missing:
            raise ObjectMissing from missing
        except OSError:
            return False
        return True

    def linked(self) -> ObjectInfo:
        """What the file is that this has become another name of."""
        file, info = open_object(self._path)
        file.close()
        return info

    def move_to(self, target: Path) -> None:
        """Publish under the final name, durably."""
        with disk_errors():
            for attempt in range(_FOLDER_RACES):
                new_folder = not target.parent.exists()
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                try:
                    self._path.replace(target)
                    break
                except FileNotFoundError:
                    # A deletion beside us has just removed the folder for being empty.
                    if attempt == _FOLDER_RACES - 1 or not self._path.exists():
                        raise
            _sync_folder(target.parent)
            if new_folder:
                root = self._path.parent.parent
                for folder in target.parent.parents:
                    _sync_folder(folder)
                    if folder == root:
                        break

    def move_beside(self, target: Path) -> bool:
        """Publish in a folder that is there, durably; False when it is not, or no longer."""
        with disk_errors():
            try:
                self._path.replace(target)
            except FileNotFoundError:
                if not self._path.exists() or target.parent.exists():
                    raise
                return False
            _sync_folder(target.parent)
        return True

    def discard(self) -> None:
        """Leave nothing of an unpublished draft."""
        if self._file is not None:
            self._file.close()
        self._path.unlink(missing_ok=True)


def _write_all(file: BinaryIO, data: bytes | bytearray) -> None:
    view = memoryview(data)
    try:
        written = 0
        while written < len(view):
            written += file.write(view[written:])
    finally:
        view.release()


def _sync_folder(folder: Path) -> None:
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Say what a person can do about a full or unwritable disk."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageAway(
                "The disk for files is full. Free some space and send the file again.", retry_after=60
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}:
            raise StorageAway("The folder for files cannot be written.", retry_after=60) from error
        raise
