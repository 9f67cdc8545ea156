"""Who somebody is and where they may write."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

Role = Literal["owner", "editor", "viewer"]
SpaceKind = Literal["personal", "shared"]


class User(BaseModel):
    """A person with an account."""

    id: UUID
    email: str
    display_name: str | None = None
    locale: Literal["en", "ko"] = "en"
    is_admin: bool = False


class Space(BaseModel):
    """A place that people share, and the role of the one who asks."""

    id: UUID
    name: str
    kind: SpaceKind
    role: Role
    created_at: datetime | None = None


class Me(BaseModel):
    """The signed-in person."""

    user: User
    personal_space_id: UUID
    spaces: list[Space]


class Member(BaseModel):
    """Somebody in a space."""

    user_id: UUID
    email: str
    display_name: str | None = None
    role: Role
    created_at: datetime


class Person(BaseModel):
    """Somebody entries are about; they need no account."""

    id: UUID
    space_id: UUID
    name: str
    birth_date: date | None = None
    relation: str | None = None
    created_at: datetime
    updated_at: datetime
