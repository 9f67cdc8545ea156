"""Outputs that are sent in parts: what came stays, whatever breaks."""

from __future__ import annotations

import io

import pytest
from agent_process import Starter, picture
from dispatcher_peer import DispatcherPeer, PeerTask
from PIL import Image
from shared.testing.waiting import eventually_sync

STEP = 100


@pytest.fixture
def task(peer: DispatcherPeer) -> PeerTask:
    peer.part_size = STEP
    return peer.add({"operation": "grayscale"}, data=picture(300, 300))


def sent(peer: DispatcherPeer) -> list[int]:
    """The parts that arrived whole, in order of arrival."""
    return [int(call.rpartition(" ")[2]) for call in peer.calls if call.startswith("storage/put part")]


def whole(task: PeerTask) -> bool:
    """Whether the output is a picture of the right size, and came in several parts."""
    assert task.output is not None
    image = Image.open(io.BytesIO(task.output))
    image.load()
    return image.size == (300, 300) and len(task.parts) > 3


@pytest.mark.parametrize("at_once", [100, 2])
def test_a_large_output_comes_in_parts_each_sent_once(
    peer: DispatcherPeer, start: Starter, task: PeerTask, at_once: int
) -> None:
    peer.parts_at_once = at_once
    assert start("--once").wait() == 0
    assert (task.status, task.attempt) == ("done", 1)
    assert whole(task)
    assert sorted(sent(peer)) == sorted(task.parts)
    assert "storage/put" not in peer.calls


@pytest.mark.parametrize("kind", ["cut", "503", "403"])
def test_only_what_did_not_come_is_sent_again(peer: DispatcherPeer, start: Starter, task: PeerTask, kind: str) -> None:
    peer.fault("storage/put", kind, times=2)
    assert start("--once").wait() == 0
    assert task.status == "done"
    assert whole(task)
    assert sorted(sent(peer)) == sorted(task.parts)


def test_a_part_whose_answer_was_lost_is_not_missing(peer: DispatcherPeer, start: Starter, task: PeerTask) -> None:
    peer.fault("storage/put", "drop", times=1)
    assert start("--once").wait() == 0
    assert task.status == "done"
    assert sorted(sent(peer)) == sorted(task.parts)


def test_killed_between_parts_it_goes_on_after_a_restart(peer: DispatcherPeer, start: Starter, task: PeerTask) -> None:
    peer.parts_at_once = 1
    outage = peer.fault("storage/put", "503", times=10**6, skip=2)
    first = start()
    eventually_sync(lambda: len(task.parts) == 2, within=30)
    first.kill()
    outage.times = 0
    start()
    eventually_sync(lambda: task.status == "done", within=30)
    assert (task.attempt, task.lease_losses) == (1, 0)
    assert whole(task)
    assert sorted(sent(peer)) == sorted(task.parts)


def test_a_small_output_and_an_older_dispatcher_take_it_in_one_piece(peer: DispatcherPeer, start: Starter) -> None:
    peer.part_size = 10**6
    task = peer.add({"operation": "grayscale"}, data=picture())
    assert start("--once").wait() == 0
    assert task.status == "done"
    assert peer.calls.count("storage/put") == 1
    assert sent(peer) == []
