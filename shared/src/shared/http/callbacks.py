"""Proof that a callback comes from our own Pub/Sub subscription or Cloud Tasks queue.

Google's documents warn that signature and audience are not enough: anybody's service account can get a token for our URL. The exact account is
pinned. With `iam`, Cloud Run has checked the token and removed its signature, so only the claims are read.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from fastapi import Request

from shared.errors import Unauthenticated

if TYPE_CHECKING:
    import jwt

    from shared.settings import CallbackSettings

_GOOGLE_CERTS = "https://www.googleapis.com/oauth2/v3/certs"
_GOOGLE_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
LOCAL_ISSUER = "https://deliverer.maru.local"
_LEEWAY_S = 30


class CallbackForged(Unauthenticated):
    """The bearer token does not prove who calls."""

    code = "callback_forged"
    title = "Callback not verified"
    default_detail = "Callbacks carry an OIDC token of the configured service account."


class CallbackVerifier:
    """A FastAPI dependency; keys are fetched once and kept."""

    def __init__(self, settings: CallbackSettings, *, jwks_url: str = _GOOGLE_CERTS) -> None:
        self._settings = settings
        self._jwks_url = jwks_url
        self._jwks: jwt.PyJWKClient | None = None
        self._accepted: dict[str, float] = {}

    async def __call__(self, request: Request) -> None:
        """Raise `CallbackForged` unless the caller is who it should be."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
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

        options: jwt.types.Options = {"require": ["exp", "iat", "aud", "iss"]}
        try:
            match self._settings.mode:
                case "local":
                    return jwt.decode(
                        token, self._settings.public_key_pem, algorithms=["ES256"], audience=self._settings.audience, issuer=LOCAL_ISSUER,
                        leeway=_LEEWAY_S, options=options,
                    )  # fmt: skip
                case "oidc":
                    key = await asyncio.to_thread(self._google_key, token)
                    return jwt.decode(
                        token,
                        key,
                        algorithms=["RS256"],
                        audience=self._settings.audience,
                        issuer=_GOOGLE_ISSUERS,
                        leeway=_LEEWAY_S,
                        options=options,
                    )
                case "iam":
                    return self._claims_without_signature(token)
        except (jwt.PyJWTError, ValueError) as error:
            raise CallbackForged from error

    def _google_key(self, token: str) -> Any:
        import jwt

        if self._jwks is None:
            self._jwks = jwt.PyJWKClient(self._jwks_url, cache_jwk_set=True, lifespan=3600, timeout=5)
        return self._jwks.get_signing_key_from_jwt(token).key

    def _claims_without_signature(self, token: str) -> dict[str, Any]:
        import jwt

        claims: dict[str, Any] = jwt.decode(
            token,
            options={
                "verify_signature": False,
                "verify_exp": True,
                "verify_aud": True,
                "verify_iss": True,
                "require": ["exp", "iat", "aud", "iss"],
            },
            audience=self._settings.audience,
            issuer=_GOOGLE_ISSUERS,
            leeway=_LEEWAY_S,
        )
        return claims
