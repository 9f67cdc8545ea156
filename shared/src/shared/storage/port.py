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

    async def copy(self, source: str, target: str, *, content_type: str | None = None) -> None:
        """Copy, replacing `target`. Raises `ObjectMissing`."""
        ...

    async def promote(self, source: str, target: str, *, content_type: str | None = None) -> None:
        """Move `source` to `target`. A second call, when only `target` is there, does nothing. Raises `ObjectMissing` when neither is."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove these; one that is not there is no error."""
        ...

    async def delete_prefix(self, prefix: str) -> int:
        """Remove everything below `prefix` (ends in a slash) and say how many objects that was; a second call answers 0."""
        ...

    async def ready(self) -> None:
        """Raise `StorageAway` unless the store answers."""
        ...

    async def close(self) -> None:
        """Let go of threads and connections."""
        ...
