"""Bodies of `/api/v1/me`."""

from typing import Literal

from pydantic import BaseModel

from api.http.names import Name


class ProfileChange(BaseModel):
    """What is to change; what is left out stays."""

    display_name: Name | None = None
    locale: Literal["en", "ko"] | None = None
