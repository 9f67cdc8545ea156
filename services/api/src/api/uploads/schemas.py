"""What the routes of uploads take and give."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from shared.storage.media import Kind

from api.http.values import PlainText

_LARGEST = 2**40


class NewUpload(BaseModel):
    """A file that is to come. Where `content_type` says nothing, the name decides."""

    filename: Annotated[PlainText, Field(min_length=1, max_length=255)]
    content_type: Annotated[str, Field(max_length=150, pattern=r"^[\x20-\x7e]*$")] = ""
    size: Annotated[int, Field(gt=0, le=_LARGEST)]
    sha256: Annotated[str | None, Field(pattern=r"^[0-9a-fA-F]{64}$")] = None
    space_id: UUID | None = None
    keep_location: Annotated[bool, Field(description="Leave the place in a photo that tells it")] = False
    multipart: Annotated[bool, Field(description="A large file may be sent in parts")] = False


class PartAddress(BaseModel):
    """Where one part is to go, the bytes from `(number - 1) * part_size` on, `size` of them. A part may be sent again."""

    number: int
    url: str
    method: Literal["PUT"]
    headers: dict[str, str]
    size: int
    expires_at: datetime


class UploadTicket(BaseModel):
    """Where the file is to go: one request with exactly this method and these headers, before `expires_at`.

    A large file for which `multipart` was asked may come in `parts` instead; where these are not all, `GET …/parts` gives the others.
    """

    id: UUID
    url: str
    method: Literal["PUT"]
    headers: dict[str, str]
    expires_at: datetime
    part_size: int | None = None
    part_count: int | None = None
    parts: list[PartAddress] = []


class UploadParts(BaseModel):
    """Which parts have come, and addresses of the next that have not; when `parts` is empty, nothing after `after` is missing."""

    id: UUID
    part_size: int
    part_count: int
    received: list[int]
    parts: list[PartAddress]


class Upload(BaseModel):
    """A file as it is known. The addresses are relative and answer 302 to one that is good for some minutes."""

    id: UUID
    space_id: UUID
    filename: str
    content_type: str
    size: int
    sha256: str | None
    status: Literal["pending", "ready"]
    meta: dict[str, Any]
    content_url: str
    thumbnail_url: str | None
    created_at: datetime
    completed_at: datetime | None


class UploadPage(BaseModel):
    """Files, the newest first; `total` counts everything that matches."""

    uploads: list[Upload]
    total: int
    next_page_token: str | None


class UploadFilter(BaseModel):
    """What a list is narrowed to."""

    status: Literal["pending", "ready"] = "ready"
    kind: Kind | None = None
    content_type: str | None = None
    space_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    query: str | None = None

    def key(self) -> tuple[Any, ...]:
        """What a page token is bound to."""
        return tuple(self.model_dump(mode="json").values())
