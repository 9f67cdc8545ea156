"""Headers of every answer, and the identity under which a page's connection runs."""

import hashlib
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.core.cookies import session_handle
from ui.core.i18n import preferred
from ui.edge.shell import rewrite, script_hashes

IDENTITY_HEADER = b"x-ws-user"
_FIXED = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(self)"),
]


def content_policy(storage_origins: tuple[str, ...], scripts: list[str]) -> str:
    """Everything from ourselves, files also from storage; components arrive as blob modules."""
    files = " ".join(storage_origins)
    rules = {
        "default-src": "'self'",
        "script-src": " ".join(["'self'", "blob:", *scripts]),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": f"'self' data: blob: {files}",
        "media-src": f"'self' blob: {files}",
        "font-src": "'self' data:",
        "connect-src": f"'self' {files}",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}".rstrip() for name, value in rules.items())


class Edge:
    """Pure ASGI, because it also sees the websocket and must not buffer what streams."""

    def __init__(self, app: ASGIApp, storage_origins: tuple[str, ...], version: str) -> None:
        self._app = app
        self._origins = storage_origins
        self._version = version

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._app(identified(scope), receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope)
        document = _Document(send, self._origins, self._version, asked)
        hidden = {IDENTITY_HEADER}
        if "text/html" in asked.get("accept", ""):
            # The document is rewritten, so it must arrive whole and uncompressed.
            hidden |= {b"accept-encoding", b"if-none-match", b"if-modified-since"}
        kept = [(name, value) for name, value in scope["headers"] if name not in hidden]
        await self._app({**scope, "headers": kept}, receive, document.send)


def identified(scope: Scope) -> Scope:
    """Replace whatever identity a client claims by one derived from its cookie."""
    headers = [(name, value) for name, value in scope["headers"] if name != IDENTITY_HEADER]
    handle = session_handle(cookie_parser(Headers(raw=headers).get("cookie", "")))
    if handle is not None:
        headers.append((IDENTITY_HEADER, hashlib.sha256(handle.encode()).hexdigest().encode()))
    return {**scope, "headers": headers}


class _Document:
    """Passes an answer on; the one HTML document is held back until it can be rewritten."""

    def __init__(self, send: Send, origins: tuple[str, ...], version: str, asked: Headers) -> None:
        self._send = send
        self._origins = origins
        self._version = version
        self._language = preferred(cookie_parser(asked.get("cookie", "")), asked.get("accept-language", ""))
        self._held: MutableMapping[str, Any] | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._start(message)
        elif message["type"] == "http.response.body" and self._held is not None:
            await self._collect(message)
        else:
            await self._send(message)

    async def _start(self, message: Message) -> None:
        headers = Headers(raw=message["headers"])
        if headers.get("content-type", "").startswith("text/html") and "content-encoding" not in headers:
            self._held = message
            return
        policy = content_policy(self._origins, [])
        await self._send({**message, "headers": [*message["headers"], *_headers(policy)]})

    async def _collect(self, message: Message) -> None:
        self._body += message.get("body", b"")
        if message.get("more_body") or self._held is None:
            return
        policy = content_policy(self._origins, script_hashes(self._body))
        body = rewrite(self._body, self._language, self._version)
        dropped = {b"content-length", b"etag", b"last-modified"}
        headers = [(name, value) for name, value in self._held["headers"] if name.lower() not in dropped]
        headers += [(b"content-length", str(len(body)).encode()), (b"vary", b"Cookie, Accept-Language")]
        await self._send({**self._held, "headers": [*headers, *_headers(policy)]})
        await self._send({"type": "http.response.body", "body": body})


def _headers(policy: str) -> list[tuple[bytes, bytes]]:
    return [*_FIXED, (b"content-security-policy", policy.encode())]
