"""A limit on guessing: failed attempts count against the address they come from and the account they are about."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from shared.http.ratelimit import Limit

from api.http import emails

if TYPE_CHECKING:
    from fastapi import Request
    from shared.http.ratelimit import RateLimiter

# The web app signs people in from its own server, so one address may stand for many people.
_PER_ADDRESS = Limit("sign-in-address", per_minute=60, burst=60)
_PER_ACCOUNT = Limit("sign-in-account", per_minute=2, burst=10)


class SignInGuard:
    """Counts attempts in buckets that all instances share; a successful one is given back."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    @asynccontextmanager
    async def attempt(self, request: Request, email: str) -> AsyncGenerator[None]:
        """Around one attempt; raises `TooManyRequests` before it."""
        address, account = _network(request), _account(email)
        await self._limiter.spend(_PER_ADDRESS, address)
        await self._limiter.spend(_PER_ACCOUNT, account)
        yield
        await self._limiter.spend(_PER_ADDRESS, address, cost=-1)
        await self._limiter.spend(_PER_ACCOUNT, account, cost=-1)


def _network(request: Request) -> str:
    """The caller's address; of IPv6 the /64, since one customer has all of it."""
    host = request.client.host if request.client else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:64]
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else host


def _account(email: str) -> str:
    # Hashed: the table of buckets is no place for addresses, which people also mistype passwords into.
    return hashlib.sha256(emails.normalise(email).encode()).hexdigest()[:32]
