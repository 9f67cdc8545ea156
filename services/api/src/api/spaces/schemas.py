"""Bodies of `/api/v1/spaces`."""

from typing import Annotated

from pydantic import BaseModel, Field
from shared.contracts.identity import Member, Role, Space

from api.http.names import Name


class NewSpace(BaseModel):
    """A space to be shared; whoever makes it owns it."""

    name: Name


class SpaceChange(BaseModel):
    """Another name."""

    name: Name


class NewMember(BaseModel):
    """Somebody with an account here."""

    email: Annotated[str, Field(min_length=3, max_length=320)]
    role: Role = "editor"


class MemberChange(BaseModel):
    """Another role."""

    role: Role


class SpacePage(BaseModel):
    """Spaces, the personal one first."""

    spaces: list[Space]
    next_page_token: str | None = None


class MemberPage(BaseModel):
    """Members in the order in which they came."""

    members: list[Member]
    next_page_token: str | None = None
