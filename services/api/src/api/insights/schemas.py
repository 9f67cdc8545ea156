"""What the overview is narrowed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class OverviewFilter:
    """Entries that happened in [since, until), in one space, about one person; what is None does not narrow.

    `time_zone` (IANA name) says where a day begins.
    """

    since: datetime | None
    until: datetime | None
    space_id: UUID | None
    person_id: UUID | None
    time_zone: str = "UTC"
