"""The bearer tokens of workers, pure: `wk_<id>_<secret>`. The id finds the row; of the whole token only a SHA-256 is kept.

A plain hash is enough where a password would need a slow one: the secret is 32 random bytes, which nobody guesses from its hash.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string

_PREFIX = "wk_"
_ID_CHARACTERS = string.ascii_lowercase + string.digits
_ID_LENGTH = 12
_SECRET_BYTES = 32
# 43 characters hold 32 bytes; the secret may contain underscores, the id may not.
_TOKEN = re.compile(rf"wk_([a-z0-9]{{{_ID_LENGTH}}})_[A-Za-z0-9_-]{{43}}", re.ASCII)


def make_token(token_id: str | None = None) -> tuple[str, str, bytes]:
    """A new token, its id and its digest; with `token_id` another version of the token that has this id."""
    token_id = token_id or "".join(secrets.choice(_ID_CHARACTERS) for _ in range(_ID_LENGTH))
    token = f"{_PREFIX}{token_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return token, token_id, _digest(token)


def parse(token: str) -> tuple[str, bytes] | None:
    """The id and the digest of what may be a token; None for what cannot be one."""
    found = _TOKEN.fullmatch(token)
    return (found[1], _digest(token)) if found else None


def same(digest: bytes, stored: bytes) -> bool:
    """Whether two digests are equal, in a time that does not tell how far they agree."""
    return hmac.compare_digest(digest, stored)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()
