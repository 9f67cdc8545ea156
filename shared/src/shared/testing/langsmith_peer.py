"""A strict LangSmith for tests: takes runs as its official client sends them (`POST /runs/multipart`), over real HTTP, with scripted failures."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import UUID

from shared.testing.http_peer import http_peer

_PARTS = frozenset({"inputs", "outputs", "events", "extra", "error", "serialized"})
_KINDS = frozenset({"tool", "chain", "llm", "retriever", "embedding", "prompt", "parser"})


@dataclass
class LangSmithPeer:
    """`keys` are let in; `statuses` answer the next requests, in order; while `going_on` is not set, nobody is answered."""

    url: str = ""
    keys: set[str] = field(default_factory=lambda: {"ls-peer"})
    runs: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    statuses: deque[int] = field(default_factory=deque)
    going_on: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)

    @property
    def environment(self) -> dict[str, str]:
        """What a service needs to be pointed here."""
        return {"LANGSMITH_API_KEY": "ls-peer", "LANGSMITH_ENDPOINT": self.url, "LANGSMITH_PROJECT": "tests"}


class Refused(Exception):
    """LangSmith would not take this; the message says why."""


@contextmanager
def langsmith_peer() -> Generator[LangSmithPeer]:
    """Answers for as long as the block runs."""
    peer = LangSmithPeer()
    peer.going_on.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            peer.asked.append(self.path)
            peer.arrived.set()
            peer.going_on.wait(30)
            status, problem = _judged(peer, self.path, self.headers.get("x-api-key", ""))
            if status == 202:
                try:
                    runs = runs_of(self.headers.get("content-type", ""), body)
                    peer.runs.extend(runs)
                    peer.bodies.append(body)
                except (Refused, ValueError, KeyError) as reason:
                    status, problem = 422, str(reason)
                    peer.refused.append(problem)
            self._answer(status, {"detail": problem})

        def do_GET(self) -> None:
            peer.asked.append(self.path)
            self._answer(404, {"detail": "nothing here"})

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            content = json.dumps(document).encode()
            try:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                if status == 429:
                    self.send_header("retry-after", "3600")
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                # Whoever asked has left.
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Nothing on the terminal."""

    with http_peer(Handler, "langsmith-peer") as url:
        peer.url = url
        try:
            yield peer
        finally:
            # Whoever still waits must not hold the server up.
            peer.going_on.set()


def _judged(peer: LangSmithPeer, path: str, key: str) -> tuple[int, str]:
    if path != "/runs/multipart":
        return 404, "nothing here"
    if key not in peer.keys:
        return 401, "Invalid token"
    if peer.statuses:
        return peer.statuses.popleft(), "as scripted"
    return 202, ""


def runs_of(content_type: str, body: bytes) -> list[dict[str, Any]]:
    """The runs of a multipart body, put together from their parts; raises `Refused` for what the endpoint does not take."""
    if not content_type.startswith("multipart/form-data; boundary="):
        raise Refused(f"content-type {content_type}")
    message = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    runs: dict[str, dict[str, Any]] = {}
    for part in message.get_payload():
        assert not isinstance(part, str)
        name = str(part.get_param("name", header="content-disposition"))
        operation, run_id, *field_ = name.split(".")
        content = part.get_payload(decode=True)
        if operation != "post" or not isinstance(content, bytes):
            raise Refused(f"part {name}")
        document = json.loads(content)
        if not field_:
            runs[run_id] = document
        elif field_[0] in _PARTS and run_id in runs:
            runs[run_id][field_[0]] = document
        else:
            raise Refused(f"part {name} without its run")
    for run in runs.values():
        _check(run)
    return list(runs.values())


def _check(run: dict[str, Any]) -> None:
    UUID(run["id"])
    if run["trace_id"] != run["id"] or "parent_run_id" in run:
        raise Refused("only root runs are expected here")
    if not re.fullmatch(r"\d{8}T\d{12}Z" + re.escape(run["id"]), run["dotted_order"]):
        raise Refused(f"dotted_order {run['dotted_order']}")
    if run["run_type"] not in _KINDS or not run["name"] or not run["session_name"]:
        raise Refused("a run has a known type, a name and a project")
    if datetime.fromisoformat(run["end_time"]) < datetime.fromisoformat(run["start_time"]):
        raise Refused("a run that ended before it began")
