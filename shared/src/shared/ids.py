"""Time-ordered identifiers."""

import secrets
import time
from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits.

    Made here and not in the database, because Supabase's Postgres has no `uuidv7()` yet.
    """
    milliseconds = time.time_ns() // 1_000_000
    random_a = secrets.randbits(12) << 64
    return UUID(int=(milliseconds << 80) | _VERSION | random_a | _VARIANT | secrets.randbits(62))
