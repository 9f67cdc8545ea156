"""Bodies of `/api/v1/me`."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from api.http.names import Name


class ProfileChange(BaseModel):
    """What is to change; what is left out stays."""

    display_name: Name | None = None
    locale: Literal["en", "ko"] | None = None


class AccountErasure(BaseModel):
    """The password once more, since it cannot be undone."""

    password: Annotated[str, Field(min_length=1, max_length=1024, json_schema_extra={"format": "password"})]
