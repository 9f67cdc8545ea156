"""The door that Cloud Run puts before a private service: it checks the caller's token against IAM and hands it on without its signature."""

from __future__ import annotations

import http.client
import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import jwt

from shared.testing.google_peer.tokens import stripped
from shared.testing.http_peer import http_peer

_FORWARDED_S = 620
_OF_ONE_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


@dataclass
class CloudRunDoor:
    """`invokers` may call the service at `port`; `refused` counts who was sent away and `passed` who was let in."""

    port: int
    jwks: dict[str, Any]
    invokers: tuple[str, ...]
    url: str = ""
    passed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def admit(self, authorization: str) -> str | None:
        """The header as the container sees it, or None for whoever is no invoker of this service."""
        token = authorization.removeprefix("Bearer ")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            found = next(key for key in self.jwks["keys"] if key["kid"] == kid)
            claims = jwt.decode(token, jwt.PyJWK(found).key, ["RS256"], audience=self.url)
        except (jwt.PyJWTError, StopIteration):
            return None
        known = claims.get("email_verified") is True and claims.get("email") in self.invokers
        return f"Bearer {stripped(token)}" if known else None


def _handler(door: CloudRunDoor) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            shown = door.admit(self.headers.get("authorization", ""))
            if shown is None:
                door.refused.append(self.path)
                self._answer(403, {"Content-Type": "application/json"}, json.dumps({"error": "forbidden"}).encode())
                return
            door.passed.append(self.path)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_HOP}
            connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=_FORWARDED_S)
            try:
                connection.request(self.command, self.path, body, {**headers, "Authorization": shown})
                answer = connection.getresponse()
                self._answer(answer.status, dict(answer.getheaders()), answer.read())
            except OSError:
                self._answer(503, {}, b"")
            finally:
                connection.close()

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in _OF_ONE_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _serve  # noqa: N815 - http.server looks for these names

        def log_message(self, *_: object) -> None:
            """Tests read `passed` and `refused` instead."""

    return Handler


@contextmanager
def run_cloud_run_door(port: int, jwks: dict[str, Any], invokers: tuple[str, ...]) -> Generator[CloudRunDoor]:
    """A door before the service at `port`, for as long as the block runs; its `url` is the audience of tokens."""
    door = CloudRunDoor(port, jwks, invokers)
    with http_peer(_handler(door), "cloud-run-door") as door.url:
        yield door
