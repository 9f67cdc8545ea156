"""Bodies of `/api/v1/ui`."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api.http.names import Name

Secret = Annotated[str, Field(min_length=16, max_length=128, pattern=r"^[A-Za-z0-9_-]+$")]


class TicketRequest(BaseModel):
    """Credentials from the sign-in form; with `sign_up` the account is made first."""

    email: Annotated[str, Field(min_length=3, max_length=320)]
    password: Annotated[str, Field(max_length=1024)]
    sign_up: bool = False
    name: Name | None = None
    locale: Literal["en", "ko"] | None = None


class Ticket(BaseModel):
    """Opens one session, once, within `expires_in` seconds."""

    ticket: str
    expires_in: int


class TicketUse(BaseModel):
    """A ticket to trade for a session."""

    ticket: Secret


class SessionHandle(BaseModel):
    """A session's handle, as the browser's cookie holds it."""

    session: Secret


class NewSession(BaseModel):
    """The handle for the cookie, and how long the cookie may live (seconds)."""

    session: str
    max_age: int


class SessionToken(BaseModel):
    """A short access token for a script's run; `expires_at` is in Unix seconds."""

    access_token: str
    expires_at: int
    user: dict[str, Any]


class UiSession(BaseModel):
    """One browser that is signed in."""

    id: UUID
    user_agent: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool


class UiSessions(BaseModel):
    """All browsers that are signed in."""

    sessions: list[UiSession]
