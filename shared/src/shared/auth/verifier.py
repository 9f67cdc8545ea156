"""Verification of access tokens."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.errors import Unauthenticated

if TYPE_CHECKING:
    from shared.auth.keys import KeySource

_LEEWAY_S = 30
_KEPT = 2_000
_MAX_TOKEN = 16_384
_REQUIRED = ["exp", "iat", "sub", "aud", "iss"]


class AccessTokenInvalid(Unauthenticated):
    """The token proves nothing."""

    code = "invalid_token"
    title = "The access token is not valid"
    default_detail = "Sign in again and send the new access token."


class AccessTokenExpired(AccessTokenInvalid):
    """The token was valid once."""

    code = "token_expired"
    title = "The access token has expired"
    default_detail = "Exchange the refresh token for a new access token."


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified token says. `metadata` is the person's own to write: never decide by it what they may do."""

    user_id: UUID
    email: str
    session_id: str | None
    expires_at: float
    metadata: Mapping[str, Any] = field(default_factory=dict)


class TokenVerifier:
    """Verifies access tokens and remembers the verified ones until they expire.

    Asymmetric tokens name a key, and the key decides the algorithm. Tokens of Supabase's legacy HS256 secret go a path of their own, which exists
    only when `legacy_secret` is given: a public key can so never be taken for a shared secret.
    """

    def __init__(
        self, keys: KeySource, *, issuer: str, audience: str = "authenticated", legacy_secret: str | None = None
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._legacy_secret = legacy_secret
        self._verified: OrderedDict[bytes, AccessClaims] = OrderedDict()

    async def verify(self, token: str) -> AccessClaims:
        """The token's claims; raises `AccessTokenInvalid` or `AccessTokenExpired`, and `KeysUnavailable` while that cannot be told."""
        if not token.isascii() or len(token) > _MAX_TOKEN:
            raise AccessTokenInvalid
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None and known.expires_at > time.time():
            return known
        claims = await self._verify(token)
        self._verified[digest] = claims
        if len(self._verified) > _KEPT:
            self._verified.popitem(last=False)
        return claims

    async def _verify(self, token: str) -> AccessClaims:
        import jwt

        try:
            algorithm, key = await self._key_for(jwt.get_unverified_header(token))
            payload = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_S,
                options={"require": _REQUIRED, "strict_aud": True, "enforce_minimum_key_length": True},
            )
            return _read(payload)
        except jwt.ExpiredSignatureError as expired:
            raise AccessTokenExpired from expired
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as refused:
            raise AccessTokenInvalid from refused

    async def _key_for(self, header: Mapping[str, Any]) -> tuple[str, Any]:
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm == "HS256" and self._legacy_secret:
            return "HS256", self._legacy_secret
        key = await self._keys.find(kid) if isinstance(kid, str) and algorithm in {"ES256", "RS256"} else None
        if key is None or key.algorithm != algorithm:
            raise AccessTokenInvalid
        return key.algorithm, key.key


def _read(payload: Mapping[str, Any]) -> AccessClaims:
    # Supabase's own `anon` and `service_role` keys are tokens of the same issuer: they are nobody here.
    if payload.get("role") != "authenticated":
        raise AccessTokenInvalid
    email, session, metadata = payload.get("email"), payload.get("session_id"), payload.get("user_metadata")
    return AccessClaims(
        UUID(payload["sub"]),
        email if isinstance(email, str) else "",
        session if isinstance(session, str) else None,
        float(payload["exp"]),
        metadata if isinstance(metadata, dict) else {},
    )
