"""Parts of a page token, which anybody can forge, read back as what they should be."""

from datetime import datetime
from uuid import UUID

from shared.http.pages import PageTokenInvalid


def moment(part: str) -> datetime:
    """A point in time that Postgres can hold."""
    try:
        when = datetime.fromisoformat(part)
    except ValueError as forged:
        raise PageTokenInvalid from forged
    if when.tzinfo is None or not 1000 <= when.year <= 9000:
        raise PageTokenInvalid
    return when


def identifier(part: str) -> UUID:
    """An id."""
    try:
        return UUID(part)
    except ValueError as forged:
        raise PageTokenInvalid from forged


def text(part: str) -> str:
    """Text that Postgres can hold."""
    if "\0" in part or any("\ud800" <= character <= "\udfff" for character in part):
        raise PageTokenInvalid
    return part


def number(part: str) -> int:
    """A positive bigint."""
    if not part.isascii() or not part.isdigit() or len(part) > 18:
        raise PageTokenInvalid
    return int(part)
