"""Access tokens of the sessions in use, each reachable only by its handle."""

import hashlib
import threading
import time

from ui.core import identity

# A session ended elsewhere is noticed at the next trade, so this bounds how long it can still act here.
_LIFETIME_S = 45.0
_CAPACITY = 512

_lock = threading.Lock()
_tokens: dict[str, tuple[str, float]] = {}


def _name(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()


def token_for(handle: str) -> str:
    """Return a token for this handle, trading it at most once in its lifetime."""
    name = _name(handle)
    with _lock:
        known = _tokens.get(name)
    if known is not None and known[1] > time.monotonic():
        return known[0]
    token = identity.access_token(handle)
    with _lock:
        if len(_tokens) >= _CAPACITY:
            _tokens.pop(next(iter(_tokens)))
        _tokens[name] = (token, time.monotonic() + _LIFETIME_S)
    return token


def forget(handle: str) -> None:
    """Drop the token of a handle whose session ended."""
    with _lock:
        _tokens.pop(_name(handle), None)
