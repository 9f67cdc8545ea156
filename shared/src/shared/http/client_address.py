"""Whose request it is, where proxies stand before us.

Every proxy appends to `X-Forwarded-For` the address that it was called from. What stands left of our own proxies' entries anybody may have
written, so the entries are counted from the right: with one proxy the last is the caller's, with two the last but one.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class ClientAddress:
    """Pure ASGI middleware: puts the caller's address where the nearest proxy's stood, in `request.client`."""

    def __init__(self, app: ASGIApp, trusted: int) -> None:
        """`trusted`: how many proxies of ours every request passes."""
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
            address = forwarded_for(values, self._trusted)
            if address is not None:
                scope["client"] = (address, 0)
        await self._app(scope, receive, send)


def forwarded_for(headers: list[str], trusted: int) -> str | None:
    """The address that the outermost of `trusted` proxies was called from; None when the headers do not tell.

    Fewer entries than proxies: the request came by a shorter way, and the first entry is the furthest that one of ours has written.
    """
    entries = [entry.strip() for header in headers for entry in header.split(",") if entry.strip()]
    if not entries or trusted < 1:
        return None
    return _address(entries[-min(trusted, len(entries))])


def _address(entry: str) -> str | None:
    """An entry without port and brackets, an IPv4 address that is written as IPv6 as what it is; None for anything else."""
    host = entry
    if entry.startswith("["):
        host = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        host = entry.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
