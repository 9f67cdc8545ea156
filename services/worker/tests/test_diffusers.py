"""Real pipelines with a few random weights, where torch and diffusers are installed."""

from __future__ import annotations

import io
import pickle
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from agent_process import Starter, picture
from dispatcher_peer import DispatcherPeer
from PIL import Image
from shared.testing.waiting import eventually_sync
from tiny_pipelines import save_image_model, save_video_model
from worker.runners.diffusers import DiffusersRunner
from worker.runners.protocol import RunFailed, RunRequest, RunResult, RunStopped

IMAGE = {"model": "tiny/image", "prompt": "a harbour", "steps": 2, "width": 64, "height": 64}
VIDEO = {"model": "tiny-video", "prompt": "waves", "steps": 2, "width": 32, "height": 32, "frames": 5, "fps": 8}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    save_image_model(root / "tiny" / "image")
    save_video_model(root / "tiny-video")
    return root


@pytest.fixture(scope="session")
def runner(models: Path) -> DiffusersRunner:
    return DiffusersRunner(models)


def ran(runner: DiffusersRunner, folder: Path, params: dict[str, object], data: bytes | None = None) -> RunResult:
    given = folder / "input.png"
    if data is not None:
        given.write_bytes(data)
    request = RunRequest(params, None if data is None else given, "photo.png", folder / "output", 10**9)
    runner.time_limit_s(request)
    return runner.run(request, lambda _: None)


def test_a_seed_makes_the_same_picture_again_and_another_seed_another(runner: DiffusersRunner, tmp_path: Path) -> None:
    first = ran(runner, tmp_path, IMAGE | {"seed": 7}).path.read_bytes()
    assert Image.open(io.BytesIO(first)).size == (64, 64)
    assert ran(runner, tmp_path, IMAGE | {"seed": 7}).path.read_bytes() == first
    assert ran(runner, tmp_path, IMAGE | {"seed": 8}).path.read_bytes() != first
    unseeded = ran(runner, tmp_path, IMAGE)
    assert (
        ran(runner, tmp_path, IMAGE | {"seed": unseeded.metrics["seed"]}).path.read_bytes()
        == unseeded.path.read_bytes()
    )


def test_a_picture_as_input_makes_it_image_to_image_with_the_same_weights(
    runner: DiffusersRunner, tmp_path: Path
) -> None:
    params = {"model": "tiny/image", "prompt": "a harbour", "steps": 4, "strength": 0.5, "seed": 1}
    made = ran(runner, tmp_path, params, picture(64, 48))
    assert Image.open(made.path).size == (64, 48)
    assert made.metrics["load_s"] == 0 or made.metrics["load_s"] > 0
    assert ran(runner, tmp_path, params, picture(64, 48)).metrics["load_s"] == 0


def test_frames_become_a_video(runner: DiffusersRunner, tmp_path: Path) -> None:
    made = ran(runner, tmp_path, VIDEO)
    assert made.metrics["frames"] == 5
    assert (made.content_type, made.extension) in {("video/mp4", ".mp4"), ("image/webp", ".webp")}
    if made.content_type == "video/mp4":
        assert made.path.read_bytes()[4:8] == b"ftyp"


def test_what_the_pipeline_does_not_take_is_said_and_not_passed_over(runner: DiffusersRunner, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="num_frames"):
        ran(runner, tmp_path, IMAGE | {"frames": 5})
    with pytest.raises(RunFailed, match="no picture"):
        ran(runner, tmp_path, VIDEO, picture())
    with pytest.raises(RunFailed, match="nonsense"):
        ran(runner, tmp_path, IMAGE | {"extra": {"nonsense": 1}})
    with pytest.raises(RunFailed, match="generator"):
        ran(runner, tmp_path, IMAGE | {"extra": {"generator": 1}})
    assert ran(runner, tmp_path, IMAGE | {"extra": {"eta": 0.5}}).path.is_file()


def test_a_run_ends_between_two_steps_and_the_model_stays(runner: DiffusersRunner, tmp_path: Path) -> None:
    told: list[float] = []

    def progress(done: float) -> None:
        told.append(done)
        if len(told) == 3:
            raise RunStopped

    request = RunRequest(IMAGE | {"steps": 50}, None, "x", tmp_path / "output", 10**9)
    with pytest.raises(RunStopped):
        runner.run(request, progress)
    assert len(told) == 3
    assert told == sorted(told)
    assert ran(runner, tmp_path, IMAGE).metrics["load_s"] == 0


def test_only_weights_that_are_data_are_read(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(models / "tiny" / "image", folder)
    weights = next((folder / "unet").glob("*.safetensors"))
    weights.unlink()

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return (open, (str(tmp_path / "executed"), "w"))

    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(RunFailed) as failed:
        ran(DiffusersRunner(tmp_path), tmp_path, IMAGE | {"model": "pickled"})
    assert failed.value.code == "model_unreadable"
    assert not (tmp_path / "executed").exists()


def test_a_model_that_brings_code_is_refused(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "coded"
    shutil.copytree(models / "tiny" / "image", folder)
    (folder / "unet" / "modeling.py").write_text("raise SystemExit")
    with pytest.raises(RunFailed, match="Python code"):
        ran(DiffusersRunner(tmp_path), tmp_path, IMAGE | {"model": "coded"})


def test_the_agent_offers_its_models_and_keeps_them_warm(peer: DispatcherPeer, start: Starter, models: Path) -> None:
    tasks = [peer.add(IMAGE | {"seed": number}, runner="diffusers", name="prompt") for number in range(3)]
    agent = start("--runners", "diffusers", "--models", str(models), "--max-tasks", "3")
    assert agent.wait(170) == 0
    [offer] = peer.registrations[0].capabilities.runners
    assert offer.models == ["tiny-video", "tiny/image"]
    assert [task.status for task in tasks] == ["done"] * 3
    assert tasks[0].metrics["load_s"] > 0
    assert [task.metrics["load_s"] for task in tasks[1:]] == [0, 0]


def test_a_cancelled_run_ends_and_the_next_finds_the_model_warm(
    peer: DispatcherPeer, start: Starter, models: Path
) -> None:
    long = peer.add(IMAGE | {"steps": 500, "width": 256, "height": 256}, runner="diffusers", name="prompt")
    start("--runners", "diffusers", "--models", str(models))
    eventually_sync(lambda: long.progress and max(long.progress) > 0.01, within=120)
    peer.cancel(long)
    after = peer.add(IMAGE, runner="diffusers", name="prompt")
    eventually_sync(lambda: after.status == "done", within=120)
    assert after.metrics["load_s"] == 0
    assert long.status == "cancelled"
