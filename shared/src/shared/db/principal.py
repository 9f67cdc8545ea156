"""Who a transaction acts for."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in person, as an access token names them."""

    user_id: UUID
    email: str = ""
    session_id: str | None = None
    is_admin: bool = False
