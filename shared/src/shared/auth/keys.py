"""Public keys by key id, each pinned to the one algorithm it may verify.

The algorithm follows from the key and never from the token: a token that names another one is refused, whatever it is signed with (RFC 8725, 3.1).
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from shared.errors import Unavailable

_LIFETIME_S = 600
_COOLDOWN_S = 30
_FIRST_COOLDOWN_S = 2
_TIMEOUT_S = 5
_MAX_BYTES = 256 * 1024

# By key type and curve; whatever is not listed, symmetric keys above all, verifies nothing.
_ALGORITHMS = {("EC", "P-256"): "ES256", ("RSA", None): "RS256"}

log = logging.getLogger(__name__)


class KeysUnavailable(Unavailable):
    """The identity provider's keys could not be fetched, so nobody's token can be judged."""

    code = "identity_provider_unavailable"
    default_detail = "The identity provider does not answer. Try again in a moment."


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the algorithm that it alone may be used with."""

    kid: str
    algorithm: str
    key: Any


class KeySource(Protocol):
    """Where verification keys come from."""

    async def find(self, kid: str) -> VerificationKey | None:
        """The key with this id, None when there is none; raises `KeysUnavailable` when that cannot be known."""
        ...


class LocalKeys:
    """The keys of a JWK set that this process holds; read when they are used, because parsing keys loads cryptography.

    `renewed` looks whether there are others by now; an unknown key id asks for it, but at most once in 30 seconds.
    """

    def __init__(
        self,
        jwks: Callable[[], Mapping[str, Any]],
        renewed: Callable[[], Awaitable[bool]] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jwks = jwks
        self._renewed = renewed
        self._clock = clock
        self._next_attempt = float("-inf")
        self._read: Mapping[str, Any] | None = None
        self._keys: dict[str, VerificationKey] = {}

    async def find(self, kid: str) -> VerificationKey | None:
        """The key with this id."""
        found = self._present().get(kid)
        if found is None and self._renewed is not None and self._clock() >= self._next_attempt:
            self._next_attempt = self._clock() + _COOLDOWN_S
            await self._renewed()
            found = self._present().get(kid)
        return found

    def _present(self) -> dict[str, VerificationKey]:
        jwks = self._jwks()
        if jwks is not self._read:
            self._read, self._keys = jwks, read_keys(jwks)
        return self._keys


class RemoteKeys:
    """A JWK set behind a URL, fetched when first needed and then every ten minutes.

    An unknown key id fetches again, but at most once in 30 seconds: a stream of forged ids must not become a stream of requests. While the
    provider is away, the keys last seen stay valid.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        if not url.startswith(("https://", "http://")):
            raise ValueError(f"a JWKS URL starts with https:// or http://, not {url!r}")
        self._url = url
        self._clock = clock
        self._keys: dict[str, VerificationKey] = {}
        self._fresh_until = float("-inf")
        self._next_attempt = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, kid: str) -> VerificationKey | None:
        """The key with this id, fetched again when it is unknown or old."""
        if self._needs_fetch(kid):
            async with self._fetching:
                if self._needs_fetch(kid):
                    await self._fetch()
        if not self._keys:
            raise KeysUnavailable
        return self._keys.get(kid)

    def _needs_fetch(self, kid: str) -> bool:
        now = self._clock()
        return now >= self._next_attempt and (kid not in self._keys or now >= self._fresh_until)

    async def _fetch(self) -> None:
        try:
            found = read_keys(await asyncio.to_thread(_download, self._url))
            if found:
                self._keys = found
                self._fresh_until = self._clock() + _LIFETIME_S
        except (OSError, ValueError) as failure:
            log.warning("the JWK set could not be fetched: %s", failure)
        finally:
            # Only now: whoever comes while it is being fetched waits for it instead of being told that there are no keys.
            self._next_attempt = self._clock() + (_COOLDOWN_S if self._keys else _FIRST_COOLDOWN_S)


def read_keys(jwks: Any) -> dict[str, VerificationKey]:
    """The usable keys of a JWK set by id; the first one wins an id, what is not for verifying signatures is left out."""
    keys: dict[str, VerificationKey] = {}
    listed = jwks.get("keys") if isinstance(jwks, Mapping) else None
    for jwk in listed if isinstance(listed, list) else ():
        key = _read_key(jwk) if isinstance(jwk, Mapping) else None
        if key is not None:
            keys.setdefault(key.kid, key)
    return keys


def _read_key(jwk: Mapping[str, Any]) -> VerificationKey | None:
    import jwt

    kid, algorithm = jwk.get("kid"), _ALGORITHMS.get((str(jwk.get("kty")), jwk.get("crv")))
    if not isinstance(kid, str) or algorithm is None:
        return None
    if jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig" or "d" in jwk:
        return None
    try:
        return VerificationKey(kid, algorithm, jwt.PyJWK(dict(jwk), algorithm).key)
    except (jwt.PyJWTError, ValueError, TypeError) as broken:
        log.warning("a key of the JWK set cannot be read: %s", broken)
        return None


def _download(url: str) -> Any:
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - checked to be http(s)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - checked to be http(s)
        return json.loads(answer.read(_MAX_BYTES))
