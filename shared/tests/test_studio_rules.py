"""What a worker can be given, and how jobs and tasks change state: pure rules, held over everything that can be said."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.contracts.dispatch import Capabilities, RunnerOffer
from shared.contracts.runners import RUNNERS, model_named
from shared.contracts.studio import JobStatus, Requirements, TaskStatus
from shared.studio.matching import can_run
from shared.studio.states import FINISHED_JOB, JobCommand, StoredTaskStatus, commanded, folded, shown

STATUSES = st.sampled_from(get_args(JobStatus))
COUNTS = st.integers(0, 50)
NAMES = st.sampled_from(["image", "diffusers", "command", "train"])
MODELS = st.sampled_from(["wan", "tiny", "sdxl"])
CAPABILITIES = st.builds(
    Capabilities,
    runners=st.lists(st.builds(RunnerOffer, name=NAMES, models=st.lists(MODELS), any_model=st.booleans()), max_size=3),
    gpu_name=st.none() | st.sampled_from(["NVIDIA H200", "NVIDIA RTX 4090"]),
    gpu_memory_gib=st.floats(0, 200),
)
REQUIREMENTS = st.builds(
    Requirements,
    gpu=st.none() | st.sampled_from(["h200", "4090"]),
    min_gpu_memory_gib=st.none() | st.floats(0, 200),
    model=st.none() | MODELS,
)


def test_a_worker_is_given_what_it_says_it_has() -> None:
    worker = Capabilities.model_validate(
        {"runners": ["image", {"name": "diffusers", "models": ["wan"]}], "gpu": "NVIDIA H200", "memory_gb": 141}
    )
    assert can_run(worker, "image", Requirements())
    assert can_run(worker, "diffusers", Requirements(gpu="h200", min_gpu_memory_gib=80, model="wan"))
    assert not can_run(worker, "diffusers", Requirements(model="sdxl"))
    assert not can_run(worker, "command", Requirements())
    assert not can_run(worker, "image", Requirements(gpu="4090"))
    assert not can_run(worker, "image", Requirements(min_gpu_memory_gib=142))


@given(NAMES, REQUIREMENTS)
def test_one_that_says_nothing_of_itself_is_given_what_asks_nothing_of_the_machine(
    runner: str, requires: Requirements
) -> None:
    asks = requires.gpu is not None or (requires.min_gpu_memory_gib or 0) > 0
    assert can_run(Capabilities(), runner, requires) is not asks


@given(CAPABILITIES, NAMES, REQUIREMENTS)
def test_asking_for_less_never_shuts_anybody_out(worker: Capabilities, runner: str, requires: Requirements) -> None:
    if can_run(worker, runner, requires):
        for field in Requirements.model_fields:
            assert can_run(worker, runner, requires.model_copy(update={field: None})), field


def test_parameters_that_name_a_model_require_it() -> None:
    assert model_named("diffusers", {"model": "wan"}) == "wan"
    assert model_named("command", {"command": "resize"}) == "resize"
    assert model_named("image", {"operation": "upscale", "model": "wan"}) is None
    assert model_named("elsewhere", {"model": "x"}) is None
    for runner, params in RUNNERS.items():
        named = model_named(runner, dict.fromkeys(params.model_fields, "x"))
        assert named == (None if runner == "image" else "x")


@pytest.mark.parametrize("status", get_args(StoredTaskStatus))
def test_every_stored_state_of_a_task_is_shown_as_one_that_people_know(status: StoredTaskStatus) -> None:
    assert shown(status) in get_args(TaskStatus)
    assert shown(status) == (status if status in get_args(TaskStatus) else "queued")


@given(STATUSES, st.sampled_from(get_args(JobCommand)))
def test_a_command_obeyed_twice_changes_nothing_more(status: JobStatus, command: JobCommand) -> None:
    once = commanded(status, command)
    if once is not None:
        assert commanded(once, command) == once


def test_what_has_finished_takes_no_command_but_another_try_of_what_failed() -> None:
    allowed = {
        (status, command) for status in FINISHED_JOB for command in get_args(JobCommand) if commanded(status, command)
    }
    assert allowed == {("failed", "retry"), ("cancelled", "cancel")}


@given(STATUSES, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_folding_finishes_a_job_exactly_when_nothing_is_left(
    status: JobStatus, done: int, failed: int, cancelled: int, processing: int, queued: int
) -> None:
    total = done + failed + cancelled + processing + queued
    after = folded(status, total=total, done=done, failed=failed, cancelled=cancelled, processing=processing)
    if status in FINISHED_JOB or status == "draft":
        assert after == status
    elif total and not processing and not queued:
        assert after == ("failed" if failed else "done")
    else:
        assert after not in FINISHED_JOB
        assert (after == "paused") == (status == "paused")
        assert status == "paused" or (after == "running") == bool(status == "running" or processing or done or failed)
    assert folded(after, total=total, done=done, failed=failed, cancelled=cancelled, processing=processing) == after
