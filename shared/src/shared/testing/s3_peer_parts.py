"""Uploads in parts as the S3 peer keeps them, with the rules of S3 and of R2."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

SMALLEST_PART = 5 * 2**20
MOST_PARTS = 10_000


class PartsRefused(Exception):
    """Carries S3's status and error code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass
class OpenUpload:
    """An upload in parts; each part is its bytes."""

    key: str
    content_type: str
    parts: dict[int, bytes] = field(default_factory=dict)

    def joined(self, named: Sequence[tuple[int, str]]) -> tuple[bytes, str]:
        """The bytes and ETag of the object that the named parts make."""
        numbers = [number for number, _ in named]
        if not named:
            raise PartsRefused(400, "MalformedXML")
        if numbers != sorted(set(numbers)):
            raise PartsRefused(400, "InvalidPartOrder")
        if any(number not in self.parts or _etag(self.parts[number]) != etag for number, etag in named):
            raise PartsRefused(400, "InvalidPart")
        sizes = [len(self.parts[number]) for number in numbers]
        if any(size < SMALLEST_PART for size in sizes[:-1]):
            raise PartsRefused(400, "EntityTooSmall")
        # R2's: parts are equal, and the last is no larger.
        if any(size != sizes[0] for size in sizes[:-1]) or sizes[-1] > sizes[0]:
            raise PartsRefused(400, "InvalidPart")
        bodies = [self.parts[number] for number in numbers]
        digests = b"".join(hashlib.md5(body, usedforsecurity=False).digest() for body in bodies)
        return b"".join(bodies), f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(bodies)}"'


class OpenUploads:
    """All that are open. `page` is how many parts or uploads one answer lists."""

    def __init__(self) -> None:
        self.open: dict[str, OpenUpload] = {}
        self.page = 3

    def begin(self, key: str, content_type: str) -> str:
        """`CreateMultipartUpload`."""
        upload_id = uuid4().hex
        self.open[upload_id] = OpenUpload(key, content_type)
        return upload_id

    def put(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        """`UploadPart`; answers the ETag."""
        upload = self.of(key, upload_id)
        if not 1 <= number <= MOST_PARTS:
            raise PartsRefused(400, "InvalidArgument")
        upload.parts[number] = body
        return _etag(body)

    def of(self, key: str, upload_id: str) -> OpenUpload:
        """The open upload of this key and id."""
        upload = self.open.get(upload_id)
        if upload is None or upload.key != key:
            raise PartsRefused(404, "NoSuchUpload")
        return upload

    def complete(self, key: str, upload_id: str, body: bytes) -> tuple[OpenUpload, bytes, str]:
        """`CompleteMultipartUpload`: the upload, its bytes and the ETag."""
        upload = self.of(key, upload_id)
        joined = upload.joined(_named(body))
        del self.open[upload_id]
        return upload, *joined

    def list_parts(self, key: str, upload_id: str, after: int) -> str:
        """`ListParts`."""
        upload = self.of(key, upload_id)
        numbers = sorted(number for number in upload.parts if number > after)
        found = "".join(
            f"<Part><PartNumber>{number}</PartNumber><Size>{len(upload.parts[number])}</Size>"
            f"<ETag>{_etag(upload.parts[number])}</ETag></Part>"
            for number in numbers[: self.page]
        )
        more = len(numbers) > self.page
        marker = f"<NextPartNumberMarker>{numbers[self.page - 1]}</NextPartNumberMarker>" if more else ""
        return f"<ListPartsResult><IsTruncated>{str(more).lower()}</IsTruncated>{marker}{found}</ListPartsResult>"

    def list_open(self, prefix: str, after: tuple[str, str]) -> str:
        """`ListMultipartUploads`."""
        opened = sorted((upload.key, name) for name, upload in self.open.items() if upload.key.startswith(prefix))
        rest = [one for one in opened if one > after]
        found = "".join(
            f"<Upload><Key>{key}</Key><UploadId>{name}</UploadId></Upload>" for key, name in rest[: self.page]
        )
        more = len(rest) > self.page
        last = rest[self.page - 1] if more else ("", "")
        marker = f"<NextKeyMarker>{last[0]}</NextKeyMarker><NextUploadIdMarker>{last[1]}</NextUploadIdMarker>"
        return (
            f"<ListMultipartUploadsResult><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{marker if more else ''}{found}</ListMultipartUploadsResult>"
        )


def _named(body: bytes) -> list[tuple[int, str]]:
    try:
        document = ET.fromstring(body)
    except ET.ParseError as broken:
        raise PartsRefused(400, "MalformedXML") from broken
    found = []
    for element in document:
        fields = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
        found.append((int(fields["PartNumber"]), fields["ETag"]))
    return found


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
