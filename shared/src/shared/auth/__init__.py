"""Who an access token belongs to: signature, algorithm, issuer, audience and time, checked in one place."""

from shared.auth.keys import KeySource, KeysUnavailable, LocalKeys, RemoteKeys, VerificationKey
from shared.auth.verifier import AccessClaims, AccessTokenExpired, AccessTokenInvalid, TokenVerifier

__all__ = [
    "AccessClaims",
    "AccessTokenExpired",
    "AccessTokenInvalid",
    "KeySource",
    "KeysUnavailable",
    "LocalKeys",
    "RemoteKeys",
    "TokenVerifier",
    "VerificationKey",
]
