"""Reports that gather go in one call, each gets its own answer, and each is repeated until it has one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from dispatcher_peer import DispatcherPeer, PeerTask
from shared.contracts.dispatch import LeasedTask, NextTask, Report, ReportedError
from worker.desk import ReportDesk
from worker.dispatcher import Dispatcher
from worker.folder import WorkFolder
from worker.intake import Intake
from worker.refusals import LeaseGone, Refused, TokenRefused
from worker.settings import Token


@pytest.fixture
async def dispatcher(peer: DispatcherPeer) -> AsyncGenerator[Dispatcher]:
    client = Dispatcher(peer.url, Token(peer.token))
    yield client
    await client.close()


async def claimed(peer: DispatcherPeer, dispatcher: Dispatcher, count: int) -> list[PeerTask]:
    """Tasks that this worker holds."""
    tasks = [peer.add() for _ in range(count)]
    await dispatcher.next_task(NextTask(worker_id="w", max_tasks=count))
    return tasks


def failed(task: PeerTask, attempt: int = 1) -> Report:
    """A report that needs no upload."""
    return Report(task_id=task.id, attempt=attempt, status="failed", error=ReportedError(code="x", detail="y"))


async def test_what_gathers_goes_in_one_call_and_each_hears_its_own(
    peer: DispatcherPeer, dispatcher: Dispatcher
) -> None:
    first, lost, second = await claimed(peer, dispatcher, 3)
    peer.expire(lost)
    desk = ReportDesk(dispatcher)
    waiting = [asyncio.create_task(desk.report(failed(task))) for task in (first, lost, second)]
    await asyncio.sleep(0)
    sending = asyncio.create_task(desk.run())
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    sending.cancel()
    assert peer.calls[1:] == ["exchange"]
    assert answers[0] == answers[2] == "failed"
    assert isinstance(answers[1], LeaseGone)


@pytest.mark.parametrize("kind", ["503", "drop", "refuse", "page"])
async def test_reports_are_repeated_until_answered(peer: DispatcherPeer, dispatcher: Dispatcher, kind: str) -> None:
    tasks = await claimed(peer, dispatcher, 3)
    peer.fault("exchange", kind, times=2)
    peer.fault("report", kind, times=1)
    desk = ReportDesk(dispatcher)
    sending = asyncio.create_task(desk.run())
    answers = await asyncio.gather(*(desk.report(failed(task)) for task in tasks))
    sending.cancel()
    assert answers == ["failed"] * 3
    assert [task.failures for task in tasks] == [1, 1, 1]


async def test_an_exchange_that_is_refused_whole_is_taken_apart(peer: DispatcherPeer, dispatcher: Dispatcher) -> None:
    fine, wrong = await claimed(peer, dispatcher, 2)
    peer.fault("exchange", "422", code="invalid")
    peer.fault("report", "422", skip=1, code="invalid")
    desk = ReportDesk(dispatcher)
    waiting = [asyncio.create_task(desk.report(failed(task))) for task in (fine, wrong)]
    await asyncio.sleep(0)
    sending = asyncio.create_task(desk.run())
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    sending.cancel()
    assert answers[0] == "failed"
    assert isinstance(answers[1], Refused)


async def test_a_claim_takes_waiting_reports_along(
    peer: DispatcherPeer, dispatcher: Dispatcher, tmp_path: Path
) -> None:
    [done] = await claimed(peer, dispatcher, 1)
    coming = peer.add()
    folder = WorkFolder(tmp_path)
    folder.open()
    desk = ReportDesk(dispatcher)
    taken: list[LeasedTask] = []

    async def never() -> None:
        raise AssertionError("registered again")

    intake = Intake(dispatcher, folder, desk, "w", taken.append, never)
    answer = asyncio.create_task(desk.report(failed(done)))
    await asyncio.sleep(0)
    counts = iter([1, 0])

    async def wanted() -> int:
        return next(counts)

    await intake.run(wanted)
    assert await answer == "failed"
    assert [task.task_id for task in taken] == [coming.id]
    assert peer.calls[1:] == ["exchange"]
    assert folder.claim_id() is None
    folder.close()


async def test_a_refused_token_is_no_answer_to_a_report(peer: DispatcherPeer) -> None:
    [task] = [peer.add()]
    stranger = Dispatcher(peer.url, Token("wk_abcdefghijkl_not-the-one"))
    desk = ReportDesk(stranger)
    waiting = asyncio.create_task(desk.report(failed(task)))
    with pytest.raises(TokenRefused):
        await desk.run()
    assert not waiting.done()
    waiting.cancel()
    await stranger.close()
