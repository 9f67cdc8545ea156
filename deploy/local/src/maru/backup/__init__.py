"""Copies of an embedded installation, taken while it runs, and their way back."""

from maru.backup.restoring import restore
from maru.backup.taking import Report, take

__all__ = ["Report", "restore", "take"]
