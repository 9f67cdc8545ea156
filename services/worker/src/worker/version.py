"""This agent's version, as the dispatcher shows it."""

import importlib.metadata
import os


def version() -> str:
    """The installed distribution's; in a container, where nothing is installed, what it was built as."""
    try:
        return importlib.metadata.version("maru-worker")
    except importlib.metadata.PackageNotFoundError:
        return os.environ.get("MARU_WORKER_VERSION", "source")
