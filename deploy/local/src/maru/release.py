"""Which release this is, also where it was copied into an image rather than installed."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """The version: of the image, else of the installed package."""
    if named := os.environ.get("MARU_VERSION"):
        return named
    return version_of("maru-local") or "unknown"


def version_of(package: str) -> str | None:
    """The version of a package, or None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
