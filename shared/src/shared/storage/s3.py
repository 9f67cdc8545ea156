"""Files in an S3 bucket (Cloudflare R2 or any other), through boto3 in threads of its own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from shared.rotation import Secret, current
from shared.storage.disposition import content_disposition
from shared.storage.errors import ObjectChanged, ObjectMissing, ObjectTooLarge, PartsGone, PartsRefused, StorageAway
from shared.storage.keys import check_key, check_prefix
from shared.storage.port import ObjectInfo, Part, SignedRequest
from shared.telemetry import span

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

P = ParamSpec("P")
R = TypeVar("R")

_PIECE = 1024 * 1024
_THREADS = 8
_IN_MEMORY = 8 * 1024 * 1024
_DELETE_BATCH = 1000
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_CHANGED = frozenset({"412", "PreconditionFailed"})
_UNFIT_PARTS = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall"})


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where it is and with which key; R2's region is `auto`. `silence_s` is how long it may keep one request waiting."""

    endpoint: str
    name: str
    access_key: Secret
    secret_key: Secret = field(repr=False)
    region: str = "auto"
    silence_s: float = 30


class S3Store:
    """Objects in one bucket. The client is made at the first call: importing boto3 takes a third of a second."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="s3")
        self._client: S3Client | None = None
        self._keys: tuple[str, str] | None = None

    async def presign_put(
        self, key: str, *, content_type: str, size: int, expires_s: int, sha256: str | None = None
    ) -> SignedRequest:
        """See `ObjectStore`."""
        headers = {"Content-Type": content_type}
        parameters: dict[str, Any] = {"ContentType": content_type, "ContentLength": size}
        if sha256 is not None:
            checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
            parameters["ChecksumSHA256"] = headers["x-amz-checksum-sha256"] = checksum
        url = await self._presigned("put_object", key, parameters, expires_s)
        expires_at = datetime.now(UTC) + timedelta(seconds=expires_s)
        return SignedRequest(url=url, method="PUT", headers=headers, expires_at=expires_at)

    async def presign_get(
        self, key: str, *, filename: str | None = None, content_type: str | None = None, expires_s: int = 300
    ) -> str:
        """See `ObjectStore`."""
        parameters = {"ResponseContentDisposition": content_disposition(content_type, filename)}
        if content_type is not None:
            parameters["ResponseContentType"] = content_type
        return await self._presigned("get_object", key, parameters, expires_s)

    async def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore`."""
        try:
            answer = await self._call("head_object", Key=check_key(key), ChecksumMode="ENABLED")
        except ObjectMissing:
            return None
        return _info(answer)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """See `ObjectStore`."""
        check_key(key)
        if end is not None and end <= start:
            return
        last = "" if end is None else end - 1
        wanted = {} if start == 0 and end is None else {"Range": f"bytes={start}-{last}"}
        try:
            answer = await self._call("get_object", Key=key, **wanted)
        except _BeyondTheEnd:
            return
        body = answer["Body"]
        try:
            while piece := await self._run(_read, body):
                yield piece
        finally:
            body.close()

    async def put(self, key: str, data: bytes | AsyncIterator[bytes], content_type: str) -> ObjectInfo:
        """See `ObjectStore`. A stream is spooled to disk first, because S3 wants to know the length."""
        check_key(key)
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
            digest, size = hashlib.sha256(), 0
            async for piece in _pieces(data):
                digest.update(piece)
                size += len(piece)
                await self._run(spool.write, piece)
            spool.seek(0)
            answer = await self._call("put_object", Key=key, Body=spool, ContentType=content_type, ContentLength=size)
        return ObjectInfo(size, content_type, etag=answer["ETag"].strip('"'), sha256=digest.hexdigest())

    async def download(self, key: str, path: Path, max_bytes: int) -> ObjectInfo:
        """See `ObjectStore`."""
        answer = await self._call("get_object", Key=check_key(key))
        info = _info(answer)
        with answer["Body"] as body:
            if info.size > max_bytes:
                raise ObjectTooLarge(f"The file has {info.size} bytes; at most {max_bytes} can be read here.")
            return replace(info, sha256=await self._run(_save, body, path))

    async def copy(self, source: str, target: str, *, content_type: str | None = None, etag: str | None = None) -> None:
        """See `ObjectStore`."""
        wanted: dict[str, Any] = (
            {} if content_type is None else {"ContentType": content_type, "MetadataDirective": "REPLACE"}
        )
        if etag is not None:
            wanted["CopySourceIfMatch"] = f'"{etag}"'
        await self._call(
            "copy_object",
            Key=check_key(target),
            CopySource={"Bucket": self._bucket.name, "Key": check_key(source)},
            **wanted,
        )

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
        answer = await self._call("create_multipart_upload", Key=check_key(key), ContentType=content_type)
        return str(answer["UploadId"])

    async def presign_part(self, key: str, parts_id: str, number: int, *, size: int, expires_s: int) -> SignedRequest:
        """See `ObjectStore`."""
        parameters = {"UploadId": parts_id, "PartNumber": number, "ContentLength": size}
        url = await self._presigned("upload_part", key, parameters, expires_s)
        return SignedRequest(url, "PUT", {}, datetime.now(UTC) + timedelta(seconds=expires_s))

    async def list_parts(self, key: str, parts_id: str) -> list[Part]:
        """See `ObjectStore`."""
        found: list[Part] = []
        after: dict[str, Any] = {}
        while True:
            answer = await self._call("list_parts", Key=check_key(key), UploadId=parts_id, **after)
            found += [
                Part(part["PartNumber"], part["Size"], part["ETag"].strip('"')) for part in answer.get("Parts", [])
            ]
            if not answer.get("IsTruncated"):
                return found
            after = {"PartNumberMarker": answer["NextPartNumberMarker"]}

    async def complete_parts(self, key: str, parts_id: str, parts: Sequence[Part]) -> ObjectInfo:
        """See `ObjectStore`."""
        named = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        if not named:
            raise PartsRefused
        try:
            await self._call(
                "complete_multipart_upload", Key=check_key(key), UploadId=parts_id, MultipartUpload={"Parts": named}
            )
        except PartsGone:
            joined = await self.head(key)
            if joined is None:
                raise
            return joined
        joined = await self.head(key)
        if joined is None:
            raise PartsGone
        return joined

    async def abort_parts(self, key: str, parts_id: str) -> None:
        """See `ObjectStore`."""
        with suppress(PartsGone):
            await self._call("abort_multipart_upload", Key=check_key(key), UploadId=parts_id)

    async def delete(self, keys: Sequence[str]) -> None:
        """See `ObjectStore`."""
        for start in range(0, len(keys), _DELETE_BATCH):
            named = [{"Key": check_key(key)} for key in keys[start : start + _DELETE_BATCH]]
            answer = await self._call("delete_objects", Delete={"Objects": named, "Quiet": True})
            if refused := answer.get("Errors"):
                raise StorageAway(f"{len(refused)} files could not be deleted; try again in a moment.")

    async def delete_prefix(self, prefix: str) -> int:
        """See `ObjectStore`."""
        await self._abort_below(check_prefix(prefix))
        count = 0
        # Listed anew each time: what was listed is gone afterwards, so there is no place to continue from.
        while found := await self._call("list_objects_v2", Prefix=prefix, MaxKeys=_DELETE_BATCH):
            keys = [item["Key"] for item in found.get("Contents", [])]
            if not keys:
                break
            await self.delete(keys)
            count += len(keys)
        return count

    async def ready(self) -> None:
        """See `ObjectStore`."""
        await self._call("list_objects_v2", Prefix="health/", MaxKeys=1)

    async def close(self) -> None:
        """See `ObjectStore`."""
        if self._client is not None:
            self._client.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _abort_below(self, prefix: str) -> None:
        after: dict[str, Any] = {}
        while True:
            found = await self._call("list_multipart_uploads", Prefix=prefix, **after)
            for upload in found.get("Uploads", []):
                await self.abort_parts(upload["Key"], upload["UploadId"])
            if not found.get("IsTruncated"):
                return
            after = {"KeyMarker": found["NextKeyMarker"], "UploadIdMarker": found["NextUploadIdMarker"]}

    async def _presigned(self, operation: str, key: str, parameters: dict[str, Any], expires_s: int) -> str:
        wanted = {"Bucket": self._bucket.name, "Key": check_key(key), **parameters}
        return await self._run(
            lambda: self._open().generate_presigned_url(operation, Params=wanted, ExpiresIn=expires_s)
        )

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        with span(f"s3 {operation}"):
            return await self._run(self._request, operation, parameters)

    async def _run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *args, **kwargs))

    def _request(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        with _plain_errors():
            answer: dict[str, Any] = getattr(self._open(), operation)(Bucket=self._bucket.name, **parameters)
            return answer

    def _open(self) -> S3Client:
        keys = (current(self._bucket.access_key), current(self._bucket.secret_key))
        if self._client is None or self._keys != keys:
            # The former client is not closed: other threads may be in the middle of a call.
            self._client, self._keys = _client(self._bucket, *keys), keys
        return self._client


class _BeyondTheEnd(Exception):
    """A range that starts after the last byte."""


def _client(bucket: Bucket, access_key: str, secret_key: str) -> S3Client:
    import boto3
    from botocore.config import Config

    session = boto3.session.Session(
        aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=bucket.region
    )
    return session.client(
        "s3",
        endpoint_url=bucket.endpoint,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            retries={"mode": "standard", "total_max_attempts": 3},
            connect_timeout=5,
            read_timeout=bucket.silence_s,
            max_pool_connections=_THREADS,
            # The default adds CRC trailers that R2 and others do not know.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@contextmanager
def _plain_errors() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _ABSENT:
            raise ObjectMissing from error
        if code in _CHANGED:
            raise ObjectChanged from error
        if code == "NoSuchUpload":
            raise PartsGone from error
        if code in _UNFIT_PARTS:
            raise PartsRefused from error
        if code in {"InvalidRange", "416"}:
            raise _BeyondTheEnd from error
        raise StorageAway(f"The file store refused: {code or 'no reason given'}.") from error
    except BotoCoreError as error:
        raise StorageAway from error


def _info(answer: dict[str, Any]) -> ObjectInfo:
    checksum = answer.get("ChecksumSHA256")
    return ObjectInfo(
        size=answer["ContentLength"],
        content_type=answer.get("ContentType", "application/octet-stream"),
        etag=answer["ETag"].strip('"'),
        sha256=base64.b64decode(checksum).hex() if checksum and "-" not in checksum else None,
    )


def _read(body: Any) -> bytes:
    with _plain_errors():
        piece: bytes = body.read(_PIECE)
        return piece


def _save(body: Any, path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as out:
        while piece := _read(body):
            digest.update(piece)
            out.write(piece)
    return digest.hexdigest()


async def _pieces(data: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    async for piece in data:
        yield piece
