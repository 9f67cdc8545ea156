"""This agent's version, as the dispatcher shows it."""

import importlib.metadata

VERSION = importlib.metadata.version("maru-worker")
