"""Google's side of OIDC: the claims that Pub/Sub and Cloud Tasks sign, and the certificates to check them with."""

from __future__ import annotations

import json
import time
from functools import cache
from typing import Any

ISSUER = "https://accounts.google.com"
_STRIPPED = "SIGNATURE_REMOVED_BY_GOOGLE"


class GoogleSigner:
    """Signs with one RSA key, which every peer of a process shares: making one takes a while."""

    kid = "google-peer-1"

    def __init__(self) -> None:
        self._key = _key()

    def token(self, account: str, audience: str, **changes: Any) -> str:
        """An identity token of `account` for `audience`; `changes` replace claims, and None leaves one out."""
        import jwt

        now = int(time.time())
        whole: dict[str, Any] = {
            "aud": audience,
            "azp": "113774264463038321964",
            "email": account,
            "email_verified": True,
            "exp": now + 3600,
            "iat": now,
            "iss": ISSUER,
            "sub": "113774264463038321964",
        } | changes
        claims = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(claims, self._key, "RS256", headers={"kid": self.kid})

    def jwks(self) -> dict[str, Any]:
        """The document under `PUSH_JWKS_URL`."""
        from jwt.algorithms import RSAAlgorithm

        key = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [key | {"kid": self.kid, "alg": "RS256", "use": "sig"}]}


@cache
def _key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def stripped(token: str) -> str:
    """What is left of a token behind Cloud Run's IAM check."""
    return f"{token.rsplit('.', 1)[0]}.{_STRIPPED}"
