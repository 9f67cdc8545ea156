"""Strict receivers of traces (OTLP over HTTP) and of error reports (Sentry's envelopes), over real HTTP, with scripted failures."""

from __future__ import annotations

import gzip
import json
import re
import threading
import zlib
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

from shared.testing.http_peer import http_peer


@dataclass
class Received:
    """What came in, and how the next requests are answered: `statuses` are used up in order, then 200; while `stalled`, nobody is answered."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    statuses: deque[int] = field(default_factory=deque)
    going_on: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)

    def stall(self) -> None:
        """Answer nobody until `release`."""
        self.going_on.clear()

    def release(self) -> None:
        """Answer again."""
        self.going_on.set()


class Refused(Exception):
    """The request is not one that the real receiver takes; the message says why."""


class _Receiver(BaseHTTPRequestHandler):
    received: ClassVar[Received]
    protocol_version = "HTTP/1.1"

    def check(self, body: bytes) -> None:
        """Raise `Refused` unless the request is one of this protocol."""
        raise NotImplementedError

    def answer(self) -> tuple[str, bytes]:
        """Content type and body of a success."""
        return "application/json", b"{}"

    def do_POST(self) -> None:
        """Take it in."""
        sent = self.rfile.read(int(self.headers.get("content-length", "0")))
        self.received.arrived.set()
        self.received.going_on.wait(30)
        status = self.received.statuses.popleft() if self.received.statuses else 200
        try:
            body = _unpacked(sent, self.headers.get("content-encoding", ""))
            if status == 200:
                self.check(body)
                self.received.bodies.append(body)
                self.received.headers.append({name.lower(): value for name, value in self.headers.items()})
        except (Refused, ValueError) as reason:
            self.received.refused.append(str(reason))
            status = 400
        kind, content = self.answer() if status == 200 else ("text/plain", b"no")
        try:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            # Whoever asked has left.
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


def _unpacked(body: bytes, encoding: str) -> bytes:
    match encoding:
        case "":
            return body
        case "gzip":
            return gzip.decompress(body)
        case "deflate":
            return zlib.decompress(body)
        case _:
            raise Refused(f"content-encoding {encoding}")


@dataclass
class ReceivedSpans(Received):
    """Spans as they were sent."""

    def spans(self) -> list[Any]:
        """All of them, as the protocol's messages."""
        return [
            span
            for request in self.requests()
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def requests(self) -> list[Any]:
        """What came in."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]

    def resource(self) -> dict[str, str]:
        """The attributes of the process that sent the first batch."""
        return attributes(self.requests()[0].resource_spans[0].resource)


def attributes(holder: Any) -> dict[str, Any]:
    """The attributes of a span or resource as plain values."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in holder.attributes}


@contextmanager
def otlp_peer(path: str = "/v1/traces") -> Generator[ReceivedSpans]:
    """A collector; `url` is for `OTEL_EXPORTER_OTLP_ENDPOINT`."""
    state = ReceivedSpans()

    class Collector(_Receiver):
        received = state

        def check(self, body: bytes) -> None:
            from google.protobuf.message import DecodeError
            from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

            if self.path != path or self.headers.get("content-type") != "application/x-protobuf":
                raise Refused(f"{self.path} {self.headers.get('content-type')}")
            try:
                request = ExportTraceServiceRequest.FromString(body)
            except DecodeError as broken:
                raise Refused("not an ExportTraceServiceRequest") from broken
            for group in request.resource_spans:
                for span in (span for scope in group.scope_spans for span in scope.spans):
                    _check_span(span)

        def answer(self) -> tuple[str, bytes]:
            return "application/x-protobuf", b""

    yield from _answering(state, Collector, "otlp-peer")


def _check_span(span: Any) -> None:
    if len(span.trace_id) != 16 or not any(span.trace_id) or len(span.span_id) != 8 or not any(span.span_id):
        raise Refused("a span without ids")
    if not span.name or not 0 < span.start_time_unix_nano <= span.end_time_unix_nano:
        raise Refused(f"span {span.name!r} has no name or no time")


@dataclass
class ReceivedReports(Received):
    """Error reports as they were sent."""

    dsn: str = ""

    def events(self) -> list[dict[str, Any]]:
        """The events of all envelopes."""
        return [event for body in self.bodies for kind, event in envelope_items(body) if kind == "event"]


def envelope_items(body: bytes) -> list[tuple[str, Any]]:
    """Type and payload of each item of an envelope; raises `Refused` for what is none."""
    head, _, rest = body.partition(b"\n")
    json.loads(head)
    items = []
    while rest.strip():
        described, _, rest = rest.partition(b"\n")
        header = json.loads(described)
        length = header.get("length", rest.find(b"\n"))
        payload, rest = rest[:length], rest[length:].removeprefix(b"\n")
        if len(payload) != length:
            raise Refused("an item is shorter than it says")
        items.append((header["type"], json.loads(payload)))
    return items


@contextmanager
def sentry_peer() -> Generator[ReceivedReports]:
    """Sentry's ingestion of project 7; `dsn` is for `SENTRY_DSN`."""
    state = ReceivedReports()

    class Ingestion(_Receiver):
        received = state

        def check(self, body: bytes) -> None:
            if self.path != "/api/7/envelope/":
                raise Refused(self.path)
            if not re.search(r"sentry_key=publickey\b", self.headers.get("x-sentry-auth", "")):
                raise Refused("no X-Sentry-Auth")
            for kind, event in envelope_items(body):
                if kind == "event" and not re.fullmatch(r"[0-9a-f]{32}", event.get("event_id", "")):
                    raise Refused("an event without an id")

    def addressed(url: str) -> None:
        state.dsn = f"{url.replace('http://', 'http://publickey@')}/7"

    yield from _answering(state, Ingestion, "sentry-peer", addressed)


def _answering(
    state: Any, handler: type[BaseHTTPRequestHandler], name: str, opened: Any = lambda _: None
) -> Generator[Any]:
    state.release()
    with http_peer(handler, name) as url:
        state.url = url
        opened(url)
        try:
            yield state
        finally:
            # Whoever still waits must not hold the server up.
            state.release()
