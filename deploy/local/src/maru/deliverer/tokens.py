"""Signs callbacks as Pub/Sub and Cloud Tasks do: an OIDC token that names the audience and the account."""

from __future__ import annotations

import time

ACCOUNT = "deliverer@maru.local"
ISSUER = "https://deliverer.maru.local"
_LIFETIME_S = 3600
_RENEWED_BEFORE_S = 600


class TokenSigner:
    """One token for each audience, used for most of an hour: signing costs more than the request it goes with."""

    def __init__(self, private_key_pem: str) -> None:
        self._key = private_key_pem
        self._tokens: dict[str, tuple[float, str]] = {}

    def bearer(self, audience: str) -> str:
        """The value of the Authorization header for calls to `audience`."""
        expires_at, header = self._tokens.get(audience, (0.0, ""))
        if time.time() > expires_at - _RENEWED_BEFORE_S:
            expires_at, header = self._sign(audience)
            self._tokens[audience] = (expires_at, header)
        return header

    def _sign(self, audience: str) -> tuple[float, str]:
        import jwt

        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "sub": ACCOUNT,
            "azp": ACCOUNT,
            "email": ACCOUNT,
            "email_verified": True,
            "iat": now,
            "exp": now + _LIFETIME_S,
        }
        return now + _LIFETIME_S, "Bearer " + jwt.encode(claims, self._key, algorithm="ES256")
