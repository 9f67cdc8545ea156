"""Proof that a callback comes from our own Pub/Sub subscription or Cloud Tasks queue.

Google's documents warn that signature and audience are not enough: anybody's service account can get a token for our URL. The exact account is
pinned. With `iam`, Cloud Run has checked the token and removed its signature, so only the claims are read.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fastapi import Request

from shared.errors import Unauthenticated

if TYPE_CHECKING:
    from shared.auth.keys import RemoteKeys
    from shared.settings import CallbackSettings

_GOOGLE_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
LOCAL_ISSUER = "https://deliverer.maru.local"
_LEEWAY_S = 30
# Where it is sent, Cloud Run looks at this one alone, and `Authorization` arrives as its sender wrote it. Neither Pub/Sub nor Cloud Tasks sends it.
_UNCHECKED_BESIDE = "x-serverless-authorization"


class CallbackForged(Unauthenticated):
    """The bearer token does not prove who calls."""

    code = "callback_forged"
    title = "Callback not verified"
    default_detail = "Callbacks carry an OIDC token of the configured service account."


class CallbackVerifier:
    """A FastAPI dependency; keys are fetched once and kept."""

    def __init__(self, settings: CallbackSettings) -> None:
        self._settings = settings
        self._keys: RemoteKeys | None = None
        self._accepted: dict[str, float] = {}

    async def __call__(self, request: Request) -> None:
        """Raise `CallbackForged` unless the caller is who it should be."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise CallbackForged
        if self._settings.mode == "iam" and _UNCHECKED_BESIDE in request.headers:
            raise CallbackForged
        if self._accepted.get(token, 0) > time.time():
            return
        claims = await self._claims(token)
        settings = self._settings
        if claims.get("email") != settings.service_account or claims.get("email_verified") is not True:
            raise CallbackForged
        # The same token accompanies many calls; checking its signature once is enough until it expires.
        if len(self._accepted) > 100:
            self._accepted.clear()
        self._accepted[token] = float(claims["exp"])

    async def _claims(self, token: str) -> dict[str, Any]:
        import jwt

        try:
            match self._settings.mode:
                case "local":
                    return self._decode(token, self._settings.public_key_pem, ["ES256"], LOCAL_ISSUER)
                case "oidc":
                    return self._decode(token, await self._google_key(token), ["RS256"], _GOOGLE_ISSUERS)
                case "iam":
                    return self._decode(token, None, [], _GOOGLE_ISSUERS)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise CallbackForged from error

    def _decode(self, token: str, key: Any, algorithms: list[str], issuer: str | tuple[str, ...]) -> dict[str, Any]:
        """The claims of a token for us from `issuer`, in time; without `key` the signature was checked before it came here."""
        import jwt

        claims: dict[str, Any] = jwt.decode(
            token,
            key or "",
            algorithms=algorithms,
            audience=self._settings.audience,
            issuer=issuer,
            leeway=_LEEWAY_S,
            options={
                "verify_signature": key is not None,
                "verify_exp": True,
                "verify_nbf": True,
                "verify_iat": True,
                "verify_aud": True,
                "verify_iss": True,
                "strict_aud": True,
                "require": ["exp", "iat", "aud", "iss"],
            },
        )
        return claims

    async def _google_key(self, token: str) -> Any:
        """The key that the token names; `KeysUnavailable` (503, so that the callback is repeated) when Google's cannot be had."""
        import jwt

        from shared.auth.keys import RemoteKeys

        if self._keys is None:
            self._keys = RemoteKeys(self._settings.jwks_url)
        found = await self._keys.find(str(jwt.get_unverified_header(token).get("kid")))
        if found is None:
            raise CallbackForged
        return found.key
