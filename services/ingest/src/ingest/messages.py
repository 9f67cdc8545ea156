"""What arrives: the facts this service listens to and the commands it obeys."""

from __future__ import annotations

from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator
from shared.storage.keys import space_prefix, upload_prefix

# As Postgres counts versions; a larger number would fail there again and again instead of being set aside here.
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]


class EntrySaved(BaseModel):
    """`entry.saved`: an entry has a new version, or a failed one is to be tried again."""

    entry_id: UUID
    version: Version
    space_id: UUID


class EntryDeleted(BaseModel):
    """`entry.deleted`: its rows are gone; its vectors and files are not yet."""

    entry_id: UUID
    space_id: UUID
    object_keys: list[str] = []

    @model_validator(mode="after")
    def _keys_lie_in_the_space(self) -> Self:
        # What lies beside a key is deleted with it: a key of another space, or one that names no upload, would take too much along.
        home = space_prefix(self.space_id)
        if not all(key.startswith(home) and upload_prefix(key) != home for key in self.object_keys):
            raise ValueError("an object key does not lie in an upload of this space")
        return self


class EntryTouched(BaseModel):
    """`entry.changed`, `entry.insights_corrected`: what search filters by, or a title or date, is different."""

    entry_id: UUID
    space_id: UUID


class SpaceDeleted(BaseModel):
    """`space.deleted`: everything in it is gone but vectors and files."""

    space_id: UUID


class RefreshEntry(BaseModel):
    """`refresh-entry`: bring an entry's points up to date."""

    entry_id: UUID
    space_id: UUID
    vectors: bool = False
