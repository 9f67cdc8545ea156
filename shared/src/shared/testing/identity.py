"""Keys and people for tests that need somebody signed in."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

PASSWORD = "바람 부는 마루 42"


@dataclass(frozen=True)
class Somebody:
    """A signed-in person; `http` sends their access token."""

    http: httpx.AsyncClient
    id: str
    email: str
    access_token: str
    refresh_token: str
    space_id: str


SignUp = Callable[..., Awaitable[Somebody]]


@cache
def signing_key_pem() -> str:
    """A P-256 private key of this run."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public_key_pem() -> str:
    """The public half of `signing_key_pem`."""
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(signing_key_pem().encode(), None).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def auth_environment() -> dict[str, str]:
    """The variables that the built-in identity provider needs."""
    return {
        "MARU_AUTH_SIGNING_KEY": signing_key_pem(),
        "MARU_SESSION_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
    }


def callback_headers(audience: str = "http://127.0.0.1:8000", **changes: object) -> dict[str, str]:
    """What this machine's deliverer sends with a callback; `changes` forge single claims."""
    import jwt

    now = int(time.time())
    claims = {
        "iss": "https://deliverer.maru.local",
        "aud": audience,
        "email": "deliverer@maru.local",
        "email_verified": True,
        "iat": now,
        "exp": now + 300,
    }
    return {"Authorization": f"Bearer {jwt.encode(claims | changes, signing_key_pem(), 'ES256')}"}
