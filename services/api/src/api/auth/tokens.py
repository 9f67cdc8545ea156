"""Making tokens: ES256 access tokens, random refresh tokens of which only the hash is kept."""

from __future__ import annotations

import hashlib
import json
import secrets
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.settings import SettingMissing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

ACCESS_TOKEN_LIFETIME_S = 3600
REFRESH_TOKEN_DAYS = 30


class SigningKeyInvalid(SettingMissing):
    """`MARU_AUTH_SIGNING_KEY` is no P-256 private key in PEM."""

    def __init__(self) -> None:
        super().__init__(
            "MARU_AUTH_SIGNING_KEY must be a P-256 private key in PEM form (openssl ecparam -genkey -name prime256v1 -noout)"
        )


class TokenSigner:
    """Signs access tokens with one key; it is read at the first use, because reading it loads cryptography."""

    def __init__(self, pem: str, *, issuer: str, audience: str) -> None:
        # More is checked at the first use; this much keeps a mistyped setting from surviving the start.
        if "PRIVATE KEY-----" not in pem:
            raise SigningKeyInvalid
        self._pem = pem
        self._issuer = issuer
        self._audience = audience

    def access_token(self, user: dict[str, Any], session_id: str, now: int) -> str:
        """A token with the claims that Supabase Auth gives, for an hour from `now` (seconds)."""
        import jwt

        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user["id"]),
            "iat": now,
            "exp": now + ACCESS_TOKEN_LIFETIME_S,
            "email": user["email"],
            "phone": "",
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}],
            "session_id": session_id,
            "is_anonymous": False,
            "app_metadata": user["app_metadata"],
            "user_metadata": user["user_metadata"],
        }
        return jwt.encode(claims, self._key, "ES256", headers={"kid": self.jwk["kid"]})

    def jwks(self) -> dict[str, Any]:
        """The public half, as a JWK set."""
        return {"keys": [self.jwk]}

    @cached_property
    def jwk(self) -> dict[str, Any]:
        """The public key; its id is the thumbprint of RFC 7638, so every instance with this key names it alike."""
        from jwt.algorithms import ECAlgorithm

        public: dict[str, Any] = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        named = json.dumps({part: public[part] for part in ("crv", "kty", "x", "y")}, separators=(",", ":"))
        return {
            **{part: public[part] for part in ("kty", "crv", "x", "y")},
            "kid": hashlib.sha256(named.encode()).hexdigest()[:32],
            "alg": "ES256",
            "use": "sig",
            "key_ops": ["verify"],
        }

    @cached_property
    def _key(self) -> EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(self._pem.encode(), None)
        except (ValueError, TypeError) as broken:
            raise SigningKeyInvalid from broken
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise SigningKeyInvalid
        return key


def new_refresh_token() -> tuple[str, bytes]:
    """A token (256 random bits) and the hash by which it is found again."""
    token = secrets.token_urlsafe(32)
    return token, hash_token(token)


def hash_token(token: str) -> bytes:
    """SHA-256; the tokens are random, so nothing slower is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
