"""Which passwords are accepted, and how they are kept.

argon2id with OWASP's parameters for a small machine (19 MiB, two passes, one lane; about 30 ms). Two hashes at a time at most, in threads: a rush
of sign-ins must neither stop the event loop nor take the memory of the instance.
"""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, TypeVar

from api.auth.errors import ValidationFailed, WeakPassword

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

MIN_LENGTH = 8
MAX_LENGTH = 256
_MEMORY_KIB = 19 * 1024
_PASSES = 2
_AT_ONCE = 2
_MAX_WAITING = 200


class HashesTooMany(WeakPassword):
    """More sign-ins wait than can be served in reasonable time."""

    status = 429
    code = "over_request_rate_limit"
    title = "Too many attempts"
    default_detail = "Too many people sign in at this moment. Wait and try again."

    def __init__(self) -> None:
        super().__init__(reasons=())
        self.headers["Retry-After"] = "5"


def prepare(password: str) -> str:
    """One form for what looks the same (NIST SP 800-63B): keyboards send Hangul composed or decomposed."""
    if "\0" in password or len(password) > MAX_LENGTH:
        raise ValidationFailed(f"Use a password of at most {MAX_LENGTH} characters, without NUL characters.")
    return unicodedata.normalize("NFKC", password)


def check_strength(password: str, email: str) -> None:
    """Raise `WeakPassword` for one that is short, common or the address itself."""
    if len(password) < MIN_LENGTH:
        raise WeakPassword(f"Password should be at least {MIN_LENGTH} characters.", reasons=("length",))
    simple = password.casefold()
    if simple in _common_passwords() or simple in {email, email.partition("@")[0]} or len(set(simple)) < 3:
        raise WeakPassword("This password is too easy to guess. Choose another one.", reasons=("pwned",))


@cache
def _common_passwords() -> frozenset[str]:
    """What guessers try first, of what is long enough to be accepted otherwise; in English and Korean."""
    return frozenset(resources.files("api.auth").joinpath("common_passwords.txt").read_text("utf-8").split())


class Passwords:
    """Hashes and verifies, a bounded number at a time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The encoded hash to keep."""
        return await self._run(partial(_hash, password))

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Whether it is the password; with None (nobody has this address) it takes as long as with a wrong one."""
        if encoded is None:
            await self.hash(password)
            return False
        return await self._run(partial(_verify, encoded, password))

    def is_outdated(self, encoded: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return _hasher().check_needs_rehash(encoded)

    async def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: partial[T]) -> T:
        if self._waiting >= _MAX_WAITING:
            raise HashesTooMany
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=1)


def _hash(password: str) -> str:
    return _hasher().hash(password)


def _verify(encoded: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(encoded, password)
    except (VerificationError, InvalidHashError):
        return False
