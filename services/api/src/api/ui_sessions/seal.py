"""Sealing of tokens at rest: whoever reads the table alone gets nothing that opens an account."""

from __future__ import annotations

import base64
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.rotation import Derived, Secret, current
from shared.settings import SettingMissing

from api.http.identity import SignedIn

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


class SessionKeyInvalid(SettingMissing):
    """`MARU_SESSION_KEY` is not a Fernet key."""

    def __init__(self) -> None:
        super().__init__(
            "MARU_SESSION_KEY must be 32 random bytes in URL-safe base64 (several, newest first, separated by commas)"
        )


class SealBroken(Exception):
    """It was sealed with a key that is no longer configured, or tampered with."""


class Seal:
    """Encrypts with the first key and opens with any, so that keys can be rotated, also while we run."""

    def __init__(self, keys: Secret) -> None:
        self._keys = Derived(lambda: current(keys), _Keys)

    def close(self, signed_in: SignedIn) -> bytes:
        """The tokens, sealed."""
        content = {
            "access_token": signed_in.access_token,
            "refresh_token": signed_in.refresh_token,
            "expires_at": signed_in.expires_at,
            "user": dict(signed_in.user),
        }
        return self._keys.get().fernet.encrypt(json.dumps(content, ensure_ascii=False).encode())

    def open(self, sealed: bytes) -> dict[str, Any]:
        """The tokens; raises `SealBroken`."""
        from cryptography.fernet import InvalidToken

        try:
            content: dict[str, Any] = json.loads(self._keys.get().fernet.decrypt(bytes(sealed)))
        except InvalidToken as broken:
            raise SealBroken from broken
        return content


class _Keys:
    def __init__(self, text: str) -> None:
        self._keys = [key.strip() for key in text.split(",")]
        # Checked by hand, because cryptography is loaded only when something is sealed.
        if not all(_is_fernet_key(key) for key in self._keys):
            raise SessionKeyInvalid

    @cached_property
    def fernet(self) -> MultiFernet:
        from cryptography.fernet import Fernet, MultiFernet

        return MultiFernet([Fernet(key) for key in self._keys])


def _is_fernet_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, altchars=b"-_", validate=True)) == 32
    except ValueError:
        return False
