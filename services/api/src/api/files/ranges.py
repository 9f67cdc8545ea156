"""`Range` of RFC 9110: one part of a file. Pure."""

import re
from dataclasses import dataclass

from shared.errors import Problem

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)


class RangeNotSatisfiable(Problem):
    """The part begins after the end."""

    status = 416
    code = "range_not_satisfiable"
    title = "No such part"
    default_detail = "The file ends before the part that was asked for. `Content-Range` says how long it is."


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` up to `end`, not included."""

    start: int
    end: int
    partial: bool

    @property
    def length(self) -> int:
        """How many bytes that is."""
        return self.end - self.start


def wanted_span(header: str | None, if_range: str | None, size: int, etag: str) -> Span:
    """The part that is asked for, or the whole file: also for several parts, for what cannot be read, and when the file is another by now.

    Raises `RangeNotSatisfiable`.
    """
    whole = Span(0, size, partial=False)
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or (if_range is not None and if_range.strip() != etag):
        return whole
    first, last = found.groups()
    if not first and not last:
        return whole
    if first and last and int(last) < int(first):
        return whole
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= size or (not first and int(last) == 0):
        raise RangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
    return Span(start, end, partial=True)
