"""This agent's version, as the dispatcher shows it."""

import importlib.metadata


def version() -> str:
    """The installed distribution's; `source` where it runs from a checkout that was never installed."""
    try:
        return importlib.metadata.version("maru-worker")
    except importlib.metadata.PackageNotFoundError:
        return "source"
