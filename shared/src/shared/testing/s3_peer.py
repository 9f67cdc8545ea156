"""An S3 server for tests: one bucket in memory, strict signatures, the operations that our adapter uses and their errors."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import struct
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Literal
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from shared.testing.http_peer import http_peer
from shared.testing.s3_peer_parts import OpenUploads, PartsRefused
from shared.testing.sigv4 import Request, SignatureRefused, check_signature

_XML = "application/xml"
_CODES = {500: "InternalError", 503: "SlowDown"}
# What happens to a connection: nothing is ever answered, it breaks before the request is read, or after its effect.
Trouble = Literal["stalls", "breaks", "loses the answer"]


@dataclass(frozen=True)
class StoredObject:
    """An object as the peer holds it."""

    body: bytes
    content_type: str
    sha256: str | None = None
    joined_etag: str | None = None

    @property
    def etag(self) -> str:
        """S3's: the MD5 of the bytes, or what the parts gave it."""
        return self.joined_etag or f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


@dataclass(frozen=True)
class _Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class S3Peer:
    """The running server. `clock_ahead_s` moves its clock.

    Statuses in `failures` are answered first, one a request. `troubles` befall the first requests whose method and query contain
    the given text, one a request; one that stalls does so until `go_on` is set. `before_copy` runs before a copy is made.
    """

    endpoint: str = ""
    bucket: str = "maru-test"
    access_key: str = "peer-access-key"
    secret_key: str = "peer-secret-key"
    origins: tuple[str, ...] = ("https://ui.example",)
    keeps_checksums: bool = True
    clock_ahead_s: float = 0
    objects: dict[str, StoredObject] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    uploads: OpenUploads = field(default_factory=OpenUploads)
    troubles: list[tuple[str, Trouble]] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    before_copy: Callable[[], None] | None = None

    def forget(self) -> None:
        """Empty, healthy and on time again."""
        self.clock_ahead_s, self.keeps_checksums, self.before_copy = 0, True, None
        self.go_on.clear()
        for store in (self.objects, self.failures, self.requests, self.uploads.open, self.troubles):
            store.clear()

    def trouble(self, method: str, target: str) -> Trouble | None:
        """What befalls this request."""
        for n, (part, trouble) in enumerate(self.troubles):
            if part in f"{method} {target}":
                del self.troubles[n]
                return trouble
        return None

    def answer(self, request: Request) -> _Reply:
        """One request, from its signature to its effect."""
        self.requests.append(f"{request.method} {request.target.partition('?')[0]}")
        if self.failures:
            status = self.failures.pop(0)
            return _error(status, _CODES.get(status, "InternalError"))
        try:
            keys = {self.access_key: self.secret_key}
            check_signature(request, keys, time.time() + self.clock_ahead_s)
        except SignatureRefused as refused:
            return _error(refused.status, refused.code)
        path, _, query = request.target.partition("?")
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        if bucket != self.bucket:
            return _error(404, "NoSuchBucket")
        parameters = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        try:
            if not key:
                return self._on_bucket(request, parameters)
            if "uploads" in parameters or "uploadId" in parameters:
                return self._on_parts(request, key, parameters)
            return self._on_object(request, key, parameters)
        except PartsRefused as refused:
            return _error(refused.status, refused.code)

    def _on_bucket(self, request: Request, parameters: dict[str, str]) -> _Reply:
        if request.method == "GET" and parameters.get("list-type") == "2":
            return self._list(parameters.get("prefix", ""), int(parameters.get("max-keys", "1000")))
        if request.method == "GET" and "uploads" in parameters:
            after = (parameters.get("key-marker", ""), parameters.get("upload-id-marker", ""))
            return _xml(self.uploads.list_open(parameters.get("prefix", ""), after))
        if request.method == "POST" and "delete" in parameters:
            return self._delete_many(request)
        return _error(405, "MethodNotAllowed")

    def _on_parts(self, request: Request, key: str, parameters: dict[str, str]) -> _Reply:
        upload_id = parameters.get("uploadId", "")
        match request.method:
            case "POST" if "uploads" in parameters:
                content_type = request.headers.get("content-type", "application/octet-stream")
                begun = self.uploads.begin(key, content_type)
                named = f"<Bucket>{self.bucket}</Bucket><Key>{escape(key)}</Key><UploadId>{begun}</UploadId>"
                return _xml(f"<InitiateMultipartUploadResult>{named}</InitiateMultipartUploadResult>")
            case "PUT":
                if "content-length" not in request.headers:
                    return _error(411, "MissingContentLength")
                number = int(parameters.get("partNumber", "0"))
                return _Reply(200, headers={"ETag": self.uploads.put(key, upload_id, number, request.body)})
            case "GET":
                return _xml(self.uploads.list_parts(key, upload_id, int(parameters.get("part-number-marker", "0"))))
            case "POST":
                upload, body, etag = self.uploads.complete(key, upload_id, request.body)
                self.objects[key] = StoredObject(body, upload.content_type, joined_etag=etag)
                done = f"<Key>{escape(key)}</Key><ETag>{escape(etag)}</ETag>"
                return _xml(f"<CompleteMultipartUploadResult>{done}</CompleteMultipartUploadResult>")
            case "DELETE":
                self.uploads.of(key, upload_id)
                del self.uploads.open[upload_id]
                return _Reply(204)
            case _:
                return _error(405, "MethodNotAllowed")

    def _on_object(self, request: Request, key: str, parameters: dict[str, str]) -> _Reply:
        match request.method:
            case "PUT" if source := request.headers.get("x-amz-copy-source"):
                return self._copy(unquote(source).lstrip("/"), key, request)
            case "PUT":
                return self._put(key, request)
            case "DELETE":
                self.objects.pop(key, None)
                return _Reply(204)
            case "GET" | "HEAD" if stored := self.objects.get(key):
                return self._get(stored, request, parameters)
            case "GET" | "HEAD":
                return _error(404, "NoSuchKey")
            case _:
                return _error(405, "MethodNotAllowed")

    def _put(self, key: str, request: Request) -> _Reply:
        if "content-length" not in request.headers:
            return _error(411, "MissingContentLength")
        announced = request.headers.get("x-amz-checksum-sha256")
        actual = hashlib.sha256(request.body).digest()
        if announced and announced != base64.b64encode(actual).decode():
            return _error(400, "BadDigest")
        kept = actual.hex() if announced and self.keeps_checksums else None
        content_type = request.headers.get("content-type", "application/octet-stream")
        stored = self.objects[key] = StoredObject(request.body, content_type, kept)
        return _Reply(200, headers={"ETag": stored.etag})

    def _copy(self, source: str, key: str, request: Request) -> _Reply:
        if self.before_copy is not None:
            self.before_copy()
        bucket, _, source_key = source.partition("/")
        stored = self.objects.get(source_key) if bucket == self.bucket else None
        if stored is None:
            return _error(404, "NoSuchKey")
        if request.headers.get("x-amz-copy-source-if-match", stored.etag) != stored.etag:
            return _error(412, "PreconditionFailed")
        replaced = request.headers.get("x-amz-metadata-directive") == "REPLACE"
        content_type = request.headers.get("content-type", "") if replaced else stored.content_type
        copied = self.objects[key] = StoredObject(stored.body, content_type, stored.sha256)
        return _xml(f"<CopyObjectResult><ETag>{escape(copied.etag)}</ETag></CopyObjectResult>")

    def _get(self, stored: StoredObject, request: Request, parameters: dict[str, str]) -> _Reply:
        headers = {
            "Content-Type": parameters.get("response-content-type", stored.content_type),
            "ETag": stored.etag,
            "Last-Modified": formatdate(usegmt=True),
            "Accept-Ranges": "bytes",
        }
        if disposition := parameters.get("response-content-disposition"):
            headers["Content-Disposition"] = disposition
        if stored.sha256 and request.headers.get("x-amz-checksum-mode") == "ENABLED":
            headers["x-amz-checksum-sha256"] = base64.b64encode(bytes.fromhex(stored.sha256)).decode()
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if not wanted:
            return _Reply(200, stored.body, headers)
        start = int(wanted[1])
        end = min(int(wanted[2] or len(stored.body)), len(stored.body) - 1)
        if start >= len(stored.body):
            return _error(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {start}-{end}/{len(stored.body)}"
        return _Reply(206, stored.body[start : end + 1], headers)

    def _list(self, prefix: str, limit: int) -> _Reply:
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.objects[key].body)}</Size></Contents>"
            for key in keys[:limit]
        )
        more = str(len(keys) > limit).lower()
        return _xml(f"<ListBucketResult><IsTruncated>{more}</IsTruncated>{found}</ListBucketResult>")

    def _delete_many(self, request: Request) -> _Reply:
        if not any(name == "content-md5" or name.startswith("x-amz-checksum-") for name in request.headers):
            return _error(400, "MissingContentMD5")
        for element in ET.fromstring(request.body).iter():
            if element.tag.endswith("Key") and element.text:
                self.objects.pop(element.text, None)
        return _xml("<DeleteResult></DeleteResult>")


def _xml(document: str) -> _Reply:
    return _Reply(200, document.encode(), {"Content-Type": _XML})


def _error(status: int, code: str) -> _Reply:
    return _Reply(
        status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode(), {"Content-Type": _XML}
    )


def _handler(peer: S3Peer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            trouble = peer.trouble(self.command, self.path)
            if trouble == "breaks":
                self.rfile.read(int(self.headers.get("content-length", 0)) // 2)
                return self._hang_up()
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if trouble == "stalls":
                peer.go_on.wait(30)
                return self._hang_up()
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = peer.answer(Request(self.command, self.path, headers, body))
            return self._hang_up() if trouble else self._send(reply)

        def _hang_up(self) -> None:
            # With a reset, as a box in between does it that has forgotten the connection.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        def _send(self, reply: _Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            origin = self.headers.get("Origin")
            if origin in peer.origins:
                self.send_header("Access-Control-Allow-Origin", origin)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        def do_OPTIONS(self) -> None:
            allowed = self.headers.get("Origin") in peer.origins
            headers = {"Access-Control-Allow-Methods": "PUT, GET", "Access-Control-Allow-Headers": "content-type"}
            self._send(_Reply(204, headers=headers) if allowed else _Reply(403))

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _serve  # noqa: N815 - http.server looks for these names

        def log_message(self, *_: object) -> None:
            """Tests read `requests` instead."""

    return Handler


@contextmanager
def run_s3_peer() -> Generator[S3Peer]:
    """A peer on a free port, for as long as the block runs."""
    peer = S3Peer()
    with http_peer(_handler(peer), "s3-peer") as peer.endpoint:
        yield peer
