"""The parts of the agent that decide something, each by itself."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worker.backoff import Backoff
from worker.exits import CannotWork
from worker.hosting.tail import Tail
from worker.machine import Gpus
from worker.machine import parse as parse_gpus
from worker.names import label
from worker.pace import Pace
from worker.runners.loading import offers
from worker.runners.models import folder_of, pipelines
from worker.runners.protocol import RunFailed
from worker.settings import parse

TOKEN = "wk_abcdefghijkl_0123456789"
LEAST = ["--url", "http://127.0.0.1:1", "--token", TOKEN]


def test_flags_go_before_the_environment(tmp_path: Path) -> None:
    env = {
        "MARU_INFERENCE_URL": "http://env:1/",
        "MARU_WORKER_TOKEN": TOKEN,
        "MARU_WORKER_NAME": "env",
        "MARU_WORKER_MODELS": str(tmp_path),
    }
    settings = parse([], env, io.StringIO())
    assert (settings.url, settings.name, settings.models) == ("http://env:1", "env", tmp_path)
    assert parse(["--name", "flag", "--token", "-"], env, io.StringIO(f"{TOKEN}x\n")).token.reveal() == f"{TOKEN}x"
    assert TOKEN not in repr(settings)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--token", TOKEN], "--url"),
        (["--url", "file:///etc", "--token", TOKEN], "http"),
        (["--url", "http://x"], "MARU_WORKER_TOKEN"),
        (["--url", "http://x", "--token", "sk-other"], "wk_"),
        (["--url", "http://x", "--token", "-"], "wk_"),
        ([*LEAST, "--name", "no blanks"], "--name"),
        ([*LEAST, "--models", "/nowhere"], "--models"),
        ([*LEAST, "--commands", "/nowhere"], "--commands"),
    ],
)
def test_what_is_missing_or_wrong_is_said(argv: list[str], said: str) -> None:
    with pytest.raises(CannotWork, match=said) as refused:
        parse(argv, {}, io.StringIO())
    assert "sk-other" not in str(refused.value)


def test_only_runners_that_can_work_are_offered(tmp_path: Path) -> None:
    assert [offer.name for offer in offers(parse(LEAST, {}, io.StringIO()))] == ["image"]
    for runners, said in (("command", "--commands"), ("diffusers", "--models"), ("cook", "image, diffusers, command")):
        with pytest.raises(CannotWork, match=said):
            offers(parse([*LEAST, "--runners", runners], {}, io.StringIO()))


def test_gpus_are_read_from_what_nvidia_smi_prints() -> None:
    assert parse_gpus("NVIDIA H200, 143771\nNVIDIA H200, 143771\n") == Gpus("NVIDIA H200", 140.4, 2)
    assert parse_gpus("NVIDIA A100, 81920\nNVIDIA T4, 15360\n") == Gpus("NVIDIA A100", 15.0, 2)
    assert parse_gpus("No devices were found\n") == Gpus()
    assert parse_gpus("NVIDIA GB10, [N/A]\n") == Gpus()


def test_one_task_is_claimed_ahead_of_a_run_and_none_ahead_of_a_long_one() -> None:
    pace = Pace(prefetch=1)
    assert pace.wanted(held=0, elapsed_s=None, progress=None) == 1
    assert pace.wanted(held=1, elapsed_s=0, progress=None) == 1
    assert pace.wanted(held=2, elapsed_s=0, progress=None) == 0
    assert pace.wanted(held=1, elapsed_s=60, progress=0.1) == 0
    assert pace.wanted(held=1, elapsed_s=600, progress=0.95) == 1
    pace.ran(3600)
    assert pace.wanted(held=1, elapsed_s=5, progress=None) == 0
    assert Pace(prefetch=0).wanted(held=1, elapsed_s=0, progress=None) == 0


def test_short_tasks_are_claimed_several_at_a_time() -> None:
    pace = Pace(prefetch=1)
    for _ in range(3):
        pace.ran(0.1)
    assert pace.wanted(held=0, elapsed_s=None, progress=None) == pace.batch() > 8
    assert pace.wanted(held=5, elapsed_s=0, progress=None) == pace.batch() - 5
    pace.ran(3600)
    assert pace.batch() == 1
    never = Pace(prefetch=0)
    for _ in range(9):
        never.ran(0)
    assert never.batch() == 1


@given(st.lists(st.floats(0, 10_000), max_size=30), st.integers(0, 5), st.integers(0, 60), st.floats(0, 1))
def test_what_is_wanted_never_goes_over_what_was_asked_for(
    runs: list[float], prefetch: int, held: int, progress: float
) -> None:
    pace = Pace(prefetch)
    for seconds in runs:
        pace.ran(seconds)
    wanted = pace.wanted(held=held, elapsed_s=1 if held else None, progress=progress)
    assert 0 <= wanted <= 16
    if held == 0:
        assert wanted >= 1
    assert wanted + held <= max(held, 1 + max(prefetch, pace.batch() - 1))


@given(st.integers(1, 40))
def test_pauses_grow_up_to_a_limit(failures: int) -> None:
    backoff = Backoff(0.5, 20)
    pauses = [backoff.next_s() for _ in range(failures)]
    assert all(0.25 <= pause <= 20 for pause in pauses)
    assert backoff.next_s(at_least_s=33) == 33
    backoff.reset()
    assert backoff.next_s() <= 0.5


@given(st.lists(st.binary(max_size=300), max_size=40))
def test_the_last_lines_are_text_and_not_too_many_however_they_come(pieces: list[bytes]) -> None:
    tail = Tail(lines=5, width=20)
    for piece in pieces:
        tail.feed(piece)
    assert len(tail.lines()) <= 6
    assert all(len(line) <= 20 and line.replace("\t", "").isprintable() for line in tail.lines())


def test_a_progress_bar_is_kept_as_it_last_was() -> None:
    tail = Tail()
    tail.feed(b"  0%|     |\r 50%|##   |\r100%|#####|\n\x1b[31mred\x1b[0m\nhalf a li")
    assert tail.lines() == ["100%|#####|", "red", "half a li"]


@given(st.text(max_size=300) | st.none())
def test_a_label_leads_nowhere(name: str | None) -> None:
    shown = label(name)
    assert shown
    assert len(shown) <= 200
    assert not set("/\\\0\n") & set(shown)
    assert shown not in {".", ".."}


def test_models_are_found_by_name_and_by_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "models"
    for name in ("flat", "owner/model", "a/b/deep", "..hidden"):
        (root / name).mkdir(parents=True)
        (root / name / "model_index.json").write_text("{}")
    (tmp_path / "model_index.json").write_text("{}")
    (root / "empty").mkdir()
    assert pipelines(root) == ["flat", "owner/model"]
    assert folder_of(root, "owner/model") == root / "owner/model"
    for name in (
        "..",
        "../models/flat",
        "/etc",
        ".",
        "",
        "empty",
        "owner",
        "a/b/deep",
        "flat/../flat",
        "owner\\model",
        "x\0",
    ):
        with pytest.raises(RunFailed) as failed:
            folder_of(root, name)
        assert failed.value.code == "model_missing"
