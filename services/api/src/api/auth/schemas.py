"""Bodies of `/auth/v1`, in Supabase Auth's shapes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

_MAX_METADATA = 4096


def storable(metadata: dict[str, Any]) -> dict[str, Any]:
    """It travels in every access token and is kept as jsonb, which knows neither NUL nor infinity."""
    text = json.dumps(metadata, ensure_ascii=False, allow_nan=False)
    if len(text.encode()) > _MAX_METADATA or "\\u0000" in text:
        raise ValueError(f"use at most {_MAX_METADATA} bytes of JSON without NUL characters")
    return metadata


Metadata = Annotated[dict[str, Any], AfterValidator(storable)]
Email = Annotated[str, Field(min_length=3, max_length=320, examples=["jiwoo@example.com"])]
Password = Annotated[str, Field(max_length=1024, json_schema_extra={"format": "password"})]


class SignUp(BaseModel):
    """A new account; `data` becomes the user's metadata (`name` and `locale` are used for the profile)."""

    email: Email
    password: Password
    data: Metadata | None = None


class TokenRequest(BaseModel):
    """Credentials for `grant_type=password`, or a refresh token for `grant_type=refresh_token`."""

    email: Email | None = None
    password: Password | None = None
    refresh_token: Annotated[str, Field(max_length=1024)] | None = None


class TokenGrant(TokenRequest):
    """As `TokenRequest`, with the kind of grant in the body; without one it follows from what is there."""

    grant_type: Literal["password", "refresh_token"] | None = None


class UserUpdate(BaseModel):
    """What a signed-in person changes about their account. `data` is merged; a null removes its key."""

    password: Password | None = None
    data: Metadata | None = None
    email: Email | None = None
    current_password: Password | None = None


class Identity(BaseModel):
    """How an account signs in."""

    id: str
    identity_id: str
    user_id: UUID
    identity_data: dict[str, Any]
    provider: str
    created_at: datetime
    updated_at: datetime
    last_sign_in_at: datetime | None = None


class AuthUser(BaseModel):
    """Supabase Auth's user object."""

    id: UUID
    aud: str = "authenticated"
    role: str = "authenticated"
    email: str
    email_confirmed_at: datetime
    confirmed_at: datetime
    phone: str = ""
    last_sign_in_at: datetime | None = None
    app_metadata: dict[str, Any]
    user_metadata: dict[str, Any]
    identities: list[Identity]
    created_at: datetime
    updated_at: datetime
    is_anonymous: bool = False


class Session(BaseModel):
    """A sign-in: a short access token, and a refresh token that can be exchanged once."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the scheme's name
    expires_in: int
    expires_at: int
    refresh_token: str
    user: AuthUser


class GrantedSession(BaseModel):
    """A sign-in with whichever provider; `user` is that provider's user object."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the scheme's name
    expires_in: int
    expires_at: int
    refresh_token: str
    user: dict[str, Any]


class Jwk(BaseModel):
    """A public key."""

    kty: str
    crv: str
    x: str
    y: str
    kid: str
    alg: str
    use: str
    key_ops: list[str]


class JwkSet(BaseModel):
    """The keys that verify access tokens."""

    keys: list[Jwk]


class ProviderSettings(BaseModel):
    """What this provider offers."""

    external: dict[str, bool] = {"email": True, "phone": False, "anonymous_users": False}
    disable_signup: bool = False
    mailer_autoconfirm: bool = True
    phone_autoconfirm: bool = False
    sms_provider: str = ""
    saml_enabled: bool = False


class ProviderHealth(BaseModel):
    """Which provider this is."""

    name: str = "Maru Auth"
    version: str = "v1"
    description: str = "Speaks Supabase Auth's HTTP API"
