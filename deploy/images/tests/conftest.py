"""The images that `make images` has built, each opened once."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack

import pytest

from deploy.images.catalogue import IMAGES
from deploy.images.choosing import find_engine
from deploy.images.tests.opened import Opened

_ASKED = [name for name in os.environ.get("MARU_IMAGES", "").split() if name in IMAGES] or list(IMAGES)


@pytest.fixture(scope="session")
def opened() -> Generator[dict[str, Opened]]:
    """Every image that a test of this run has asked for; they stay open, because opening one takes a second."""
    with ExitStack() as stack:
        yield _Opening(stack)


class _Opening(dict[str, Opened]):
    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self._stack = stack
        self._engine = find_engine()

    def __missing__(self, name: str) -> Opened:
        image = IMAGES[name]
        root = self._stack.enter_context(self._engine.root(image))
        self[name] = Opened(image, self._engine, self._engine.config(image), root)
        return self[name]


@pytest.fixture(params=_ASKED)
def built(request: pytest.FixtureRequest, opened: dict[str, Opened]) -> Opened:
    """Each image that was asked for."""
    return opened[request.param]


@pytest.fixture(params=[name for name in _ASKED if IMAGES[name].health])
def service(request: pytest.FixtureRequest, opened: dict[str, Opened]) -> Opened:
    """Each of them that serves."""
    return opened[request.param]


@pytest.fixture
def ingest(opened: dict[str, Opened]) -> Opened:
    return _asked(opened, "ingest")


@pytest.fixture
def operator(opened: dict[str, Opened]) -> Opened:
    return _asked(opened, "operator")


@pytest.fixture
def worker(opened: dict[str, Opened]) -> Opened:
    return _asked(opened, "worker")


def _asked(opened: dict[str, Opened], name: str) -> Opened:
    if name not in _ASKED:
        pytest.skip(f"the image {name} was not asked for")
    return opened[name]
