"""Durations of requests: one that is not given reads as zero, so its presence has to be asked for."""

from __future__ import annotations

from typing import Any


def seconds(message: Any, field: str, otherwise: float) -> float:
    """The duration in `field`, or what the service takes when it is left out."""
    return float(getattr(message, field).total_seconds()) if field in message else otherwise
