"""The identity provider as the gateway sees it: built in, or Supabase Auth over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol
from uuid import UUID

from shared.errors import Problem

if TYPE_CHECKING:
    from shared.db import Connection

SignOutScope = Literal["global", "local", "others"]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a provider hands out; `user` is Supabase Auth's user object."""

    access_token: str
    refresh_token: str
    expires_at: int
    user_id: UUID
    session_id: str | None
    user: Mapping[str, Any]


class SignInRefused(Problem):
    """A credential was refused. The body has Supabase Auth's `message`, `msg` and `error_code` beside the problem document's fields."""

    status = 400
    code = "invalid_credentials"
    title = "Sign-in refused"
    default_detail = "Invalid login credentials"

    def document(self, request_id: str) -> dict[str, Any]:
        """A problem document that clients of Supabase Auth can read too."""
        return super().document(request_id) | {"message": self.detail, "msg": self.detail, "error_code": self.code}


class IdentityProvider(Protocol):
    """Signs people up and in. Everything raises `SignInRefused` (or a subclass) when it is refused."""

    async def sign_up(self, email: str, password: str, metadata: Mapping[str, Any]) -> SignedIn:
        """Make an account and sign it in."""
        ...

    async def sign_in(self, email: str, password: str) -> SignedIn:
        """Begin a session."""
        ...

    async def refresh(self, connection: Connection, refresh_token: str) -> SignedIn | SignInRefused:
        """Exchange a refresh token, on the caller's transaction where the provider can.

        A refusal is returned and not raised: what it wrote, such as the end of a session whose token came twice, is to be committed.
        """
        ...

    async def exchange(self, refresh_token: str) -> SignedIn:
        """`refresh` in a transaction of its own; a refusal is raised."""
        ...

    async def is_alive(self, connection: Connection, session_id: str | None) -> bool:
        """Whether the session still stands, as far as can be told without asking elsewhere."""
        ...

    async def sign_out(self, user_id: UUID, session_id: str | None, access_token: str, scope: SignOutScope) -> None:
        """End sessions: this one, the others, or all. Ending one that has ended changes nothing."""
        ...

    @property
    def tokens_live(self) -> timedelta:
        """How long an access token may be good after its account is gone."""
        ...

    async def confirm(self, user_id: UUID, email: str, password: str) -> None:
        """Have a signed-in person prove once more who they are, before what cannot be undone."""
        ...

    def check_can_erase(self) -> None:
        """Raise a problem when this provider could not remove an account if it were asked to."""
        ...

    async def erase(self, user_id: UUID) -> None:
        """Remove an account for good; one that is gone is fine. Whatever else goes wrong is raised, and it is called again."""
        ...
