"""Names of stored objects, chosen by the server alone.

A key is made of lower-case segments, so that it means the same in a folder (also one that ignores case) and in a bucket, and cannot climb out.
"""

import re
from uuid import UUID

from shared.storage.errors import InvalidObjectKey

_SEGMENT = r"[a-z0-9][a-z0-9._-]{0,99}"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT}){{0,15}}")
_MAX_LENGTH = 512
INCOMING = "incoming/"


def check_key(key: str) -> str:
    """The key itself, or `InvalidObjectKey`."""
    if len(key) > _MAX_LENGTH or not _KEY.fullmatch(key):
        raise InvalidObjectKey
    return key


def check_prefix(prefix: str) -> str:
    """A prefix that ends at a slash: `a/b` would also match `a/bc`, which may be somebody else's."""
    if not prefix.endswith("/"):
        raise InvalidObjectKey
    check_key(prefix[:-1])
    return prefix


def space_prefix(space_id: UUID) -> str:
    """Where everything of one space lies, but for what is still on its way in."""
    return f"spaces/{space_id}/"


def incoming_prefix(space_id: UUID) -> str:
    """Where uploads of one space arrive before they are checked."""
    return INCOMING + space_prefix(space_id)


def original_key(space_id: UUID, upload_id: UUID) -> str:
    """Where the checked file of an upload lies."""
    return f"{space_prefix(space_id)}{upload_id}/original"


def incoming_key(object_key: str) -> str:
    """Where the file arrives before it is checked and promoted to `object_key`; a bucket may expire this prefix after a day."""
    return INCOMING + object_key


def thumbnail_key(object_key: str) -> str:
    """The small picture beside an original."""
    return f"{_folder(object_key)}/thumbnail"


def display_key(object_key: str) -> str:
    """The picture for the screen, without metadata, beside an original."""
    return f"{_folder(object_key)}/display"


def job_prefix(space_id: UUID, job_id: UUID) -> str:
    """Where everything lies that workers made for one job."""
    return f"{space_prefix(space_id)}jobs/{job_id}/"


def output_key(space_id: UUID, job_id: UUID, task_id: UUID, attempt: int) -> str:
    """Where one attempt at a task leaves its output: a worker that comes back too late cannot write over a later attempt's."""
    return f"{job_prefix(space_id, job_id)}{task_id}/{attempt}/output"


def upload_prefix(object_key: str) -> str:
    """Where everything of one upload lies: the original and what was made of it."""
    return f"{_folder(object_key)}/"


def _folder(object_key: str) -> str:
    return object_key.rpartition("/")[0]
