"""The dispatcher peer on the network: one port for the worker's calls, one for the storage that signed addresses lead to."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dispatcher_peer import DispatcherPeer, Fault, Grant, Refusal


class _Handler(BaseHTTPRequestHandler):
    """Kinds of faults: `drop` (work, then hang up), `refuse` (hang up first), `redirect`, `page` (a proxy's), `cut` (half of a body), or a status."""

    protocol_version = "HTTP/1.1"
    peer: DispatcherPeer

    def log_message(self, *_: object) -> None:
        """Tests read `calls` instead."""

    def handle(self) -> None:
        """Hanging up is what these tests are about, and no error of the server's."""
        with suppress(ConnectionError):
            super().handle()

    def send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        with suppress(OSError):  # whoever asked may be gone
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

    def hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def refuse(self, status: int, code: str) -> None:
        document = {"type": f"urn:maru:problem:{code}", "status": status, "code": code, "detail": f"Peer: {code}."}
        self.send(status, json.dumps(document).encode(), {"Content-Type": "application/problem+json"})

    def misbehave(self, fault: Fault | None) -> bool:
        """Whether the fault took the place of an answer."""
        if self.peer.away or (fault and fault.kind == "refuse"):
            self.hang_up()
        elif fault and fault.kind == "redirect":
            self.send(307, headers={"Location": f"{self.peer.storage_url}/elsewhere"})
        elif fault and fault.kind == "page":
            self.send(200, b"<html>Sign in to the wireless network</html>", {"Content-Type": "text/html"})
        elif fault and fault.kind.isdigit():
            self.refuse(int(fault.kind), fault.code)
        else:
            return False
        return True


class _Dispatcher(_Handler):
    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # the worker was killed in the middle of a request
            self.hang_up()
            return
        fault = self.peer.take_fault(self.path)
        if self.misbehave(fault):
            return
        if self.headers.get("Authorization") != f"Bearer {self.peer.token}":
            self.refuse(401, "worker_token_invalid")
            return
        try:
            status, answer = self.peer.answer(self.path.removeprefix("/api/v1/worker/"), body)
        except Refusal as refusal:
            self.refuse(refusal.status, refusal.code)
            return
        except Exception as error:  # noqa: BLE001 - a request that does not fit the contract
            self.peer.problems.append(f"{self.path}: {error}")
            self.refuse(422, "invalid")
            return
        if self.peer.away or (fault and fault.kind == "drop"):
            self.hang_up()
            return
        self.send(status, b"" if answer is None else json.dumps(answer).encode(), {"Content-Type": "application/json"})


class _Storage(_Handler):
    def do_GET(self) -> None:
        grant, fault = self._grant("GET"), self.peer.take_fault("storage/get")
        if self.misbehave(fault) or grant is None:
            return
        whole = grant.task.input or b""
        ranged = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(ranged[1]) if ranged else 0
        if start and start >= len(whole):
            self.refuse(416, "range")
            return
        body, headers = whole[start:], {"ETag": '"one"'}
        if ranged:
            headers["Content-Range"] = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
            self.peer.calls.append(f"storage/get from {start}")
        if fault and fault.kind == "cut":
            self.send_response(206 if ranged else 200)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.hang_up()
            return
        self.send(206 if ranged else 200, body, headers)

    def do_PUT(self) -> None:
        grant, fault = self._grant("PUT"), self.peer.take_fault("storage/put")
        length = self.headers.get("Content-Length")
        typed = grant is None or grant.part is not None or self.headers.get("Content-Type") == grant.content_type
        if grant is not None and (length != str(grant.size) or not typed):
            self.peer.problems.append(f"PUT of {length} {self.headers.get('Content-Type')} for {grant}")
            self.refuse(403, "signature")
            return
        if fault and fault.kind == "cut":
            self.rfile.read(int(length or 0) // 2)
            self.hang_up()
            return
        body = self.rfile.read(int(length or 0))
        if self.misbehave(fault) or grant is None:
            return
        self.peer.calls.append("storage/put" if grant.part is None else f"storage/put part {grant.part}")
        with self.peer.changed:
            if grant.part is not None:
                grant.task.parts[grant.part] = body
            elif grant.task.attempt == grant.attempt:
                grant.task.uploaded, grant.task.uploaded_type = body, grant.content_type
        if fault and fault.kind == "drop":
            self.hang_up()
            return
        self.send(200)

    def do_POST(self) -> None:
        self._grant("POST")
        self.hang_up()

    def _grant(self, method: str) -> Grant | None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.peer.elsewhere.append(headers)
        if "authorization" in headers or self.peer.token in str(headers) or self.peer.token in self.path:
            self.peer.problems.append(f"the token reached the storage: {method} {self.path}")
        grant = self.peer.grants.get(self.path.lstrip("/"))
        if grant is None or grant.method != method:
            self.peer.problems.append(f"storage: {method} {self.path} is not what was signed")
            self.refuse(403, "signature")
            return None
        return grant


@contextmanager
def run_dispatcher_peer(**settings: Any) -> Generator[DispatcherPeer]:
    """A peer on free ports, for as long as the block runs."""
    peer = DispatcherPeer(**settings)
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []
    for base in (_Dispatcher, _Storage):
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (base,), {"peer": peer}))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="peer")
        thread.start()
        servers.append((server, thread))
    peer.url = f"http://127.0.0.1:{servers[0][0].server_address[1]}"
    peer.storage_url = f"http://127.0.0.1:{servers[1][0].server_address[1]}"
    try:
        yield peer
    finally:
        for server, thread in servers:
            server.shutdown()
            thread.join()
            server.server_close()
