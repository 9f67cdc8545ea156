"""The port to wherever files lie: one protocol, two adapters (a folder, an S3 bucket) behind one behavioural suite."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that somebody without any key may make once or more until `expires_at`, with exactly these headers."""

    url: str
    method: str
    headers: Mapping[str, str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of an object without reading it; `sha256` is hex, and None where the store does not keep it."""

    size: int
    content_type: str
    etag: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part that has come; `etag` is the store's own name for its bytes."""

    number: int
    size: int
    etag: str


class ObjectStore(Protocol):
    """Whole objects under server-chosen keys (see `shared.storage.keys`). An object is there whole or not at all."""

    async def presign_put(
        self, key: str, *, content_type: str, size: int, expires_s: int, sha256: str | None = None
    ) -> SignedRequest:
        """A request that stores exactly `size` bytes of exactly this type, and (hex) hash where given; any other is refused."""
        ...

    async def presign_get(
        self, key: str, *, filename: str | None = None, content_type: str | None = None, expires_s: int = 300
    ) -> str:
        """An address to read the object from, as a download named `filename` where given."""
        ...

    async def head(self, key: str) -> ObjectInfo | None:
        """What is stored under `key`, or None."""
        ...

    def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end` (not included; clipped at the end), in pieces. Raises `ObjectMissing`."""
        ...

    async def put(self, key: str, data: bytes | AsyncIterator[bytes], content_type: str) -> ObjectInfo:
        """Store an object; a second call replaces it whole."""
        ...

    async def download(self, key: str, path: Path, max_bytes: int) -> ObjectInfo:
        """Write the object to a local file. Raises `ObjectMissing`, or `ObjectTooLarge` before anything is written."""
        ...

    async def copy(self, source: str, target: str, *, content_type: str | None = None, etag: str | None = None) -> None:
        """Copy, replacing `target`. With `etag` only that version: `ObjectChanged` otherwise. Raises `ObjectMissing`."""
        ...

    async def promote(
        self, source: str, target: str, *, content_type: str | None = None, etag: str | None = None
    ) -> None:
        """Move `source` to `target`. A second call, when `target` is there, does nothing more.

        With `etag` nothing but that version ever comes to lie there: raises `ObjectChanged` when another one is at `source`,
        and `ObjectMissing` when neither is there.
        """
        ...

    async def begin_parts(self, key: str, *, content_type: str) -> str:
        """Open an upload in parts and answer its id. Nothing lies under `key` before it is completed; each call opens another one."""
        ...

    async def presign_part(self, key: str, parts_id: str, number: int, *, size: int, expires_s: int) -> SignedRequest:
        """A request that stores exactly `size` bytes as this part (from 1 on) and nothing else. The part sent last counts."""
        ...

    async def list_parts(self, key: str, parts_id: str) -> list[Part]:
        """The parts that have come, by number. Raises `PartsGone`."""
        ...

    async def complete_parts(self, key: str, parts_id: str, parts: Sequence[Part]) -> ObjectInfo:
        """Make these the object. Raises `PartsRefused` when they are not what came, `PartsGone` when neither they nor the object are there.

        A second call, when the object is there, answers the same: the first answer may have been lost.
        """
        ...

    async def abort_parts(self, key: str, parts_id: str) -> None:
        """Give up an upload in parts and remove what came; one that is not there is no error."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove these; one that is not there is no error."""
        ...

    async def delete_prefix(self, prefix: str) -> int:
        """Remove everything below `prefix` (ends in a slash), open uploads in parts too, and say how many objects that was."""
        ...

    async def ready(self) -> None:
        """Raise `StorageAway` unless the store answers."""
        ...

    async def close(self) -> None:
        """Let go of threads and connections."""
        ...
