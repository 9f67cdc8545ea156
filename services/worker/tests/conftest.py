"""A peer for each test, and the real agent as a process."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import programs
from agent_process import Starter
from dispatcher_peer import DispatcherPeer
from dispatcher_wire import run_dispatcher_peer


@pytest.fixture
def peer() -> Generator[DispatcherPeer]:
    """A dispatcher that finds nothing to complain about, whatever the test did."""
    with run_dispatcher_peer() as running:
        yield running
    assert running.problems == []


@pytest.fixture
def start(peer: DispatcherPeer, tmp_path: Path) -> Generator[Starter]:
    """Starts agents."""
    starter = Starter(peer, tmp_path / "work", programs.write(tmp_path / "programs"))
    yield starter
    starter.close()
    for agent in starter.started:
        assert peer.token not in agent.output
