"""Which engine this machine has."""

from __future__ import annotations

from deploy.images.buildah import Buildah
from deploy.images.container import Container
from deploy.images.engine import CannotBuild, Engine

ENGINES = ("docker", "podman", "buildah")


def find_engine(name: str | None = None) -> Engine:
    """The engine of that name, or the first that answers. A client without its engine (Docker's, often) does not."""
    if name is not None:
        return _open(name)
    for candidate in ENGINES[:-1]:
        try:
            return _open(candidate)
        except CannotBuild:
            continue
    return _open(ENGINES[-1])


def _open(name: str) -> Engine:
    return Buildah() if name == "buildah" else Container(name)
