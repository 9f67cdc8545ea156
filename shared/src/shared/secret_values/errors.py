"""Why a secret could not be had. Names are said, values never are."""

from __future__ import annotations

from shared.settings import SettingMissing


class SecretUnreadable(SettingMissing):
    """A variable names a secret that cannot be read; the message says which and what to do."""
