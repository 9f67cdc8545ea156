"""Bodies of `/api/v1/me`."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from api.http.values import PlainText


class ProfileChange(BaseModel):
    """What is to change; what is left out stays."""

    display_name: Annotated[PlainText, Field(min_length=1, max_length=120)] | None = None
    locale: Literal["en", "ko"] | None = None
