"""What the container images weigh, and how soon a service answers in its own, on a read-only root, as it starts in the cloud."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bench.figure import Figure, median, not_measured
from bench.ground import Ground, ground
from bench.processes import free_port, is_healthy
from deploy.images.catalogue import IMAGES, Image
from deploy.images.choosing import find_engine
from deploy.images.engine import CannotBuild, Engine
from deploy.images.weighing import weigh

ROUNDS = 5
_GOAL_RATIO = 1.35
_WITHIN_S = 60
_HELLO = (Path(__file__).parent / "peers" / "hello.py").read_text().replace("bench.peers.hello:", "__main__:")


def measure() -> list[Figure]:
    """Of the images that `make images` has built."""
    try:
        engine = find_engine()
    except CannotBuild as reason:
        return [not_measured("images", "–", str(reason))]
    figures = []
    with ground() as base:
        for image in IMAGES.values():
            try:
                figures += _of(engine, image, base)
            except (CannotBuild, TimeoutError) as reason:
                figures.append(not_measured(f"{image.tag}", "–", str(reason).splitlines()[0][:120]))
    return figures


def _of(engine: Engine, image: Image, base: Ground) -> list[Figure]:
    weight = weigh(engine, image)
    sizes = [
        Figure(f"{image.tag}, {what}", size / 1e6, "MB", "–", None)
        for what, size in (("pulled", weight.pulled), ("unpacked", weight.unpacked))
    ]
    if image.health != "/health":
        return sizes
    ours, floor = [], []
    with engine.root(image) as root:
        # The first round warms the page cache.
        for _ in range(ROUNDS + 1):
            floor.append(_start_s(engine.command(image, root, env := _port(), ["python", "-c", _HELLO]), env))
            env = base.cloud_variables(image.name) | _port()
            ours.append(_start_s(engine.command(image, root, env, engine.config(image).command), env))
    ratio = median([one / other for one, other in zip(ours[1:], floor[1:], strict=True)])
    name = f"{image.name} start → /health in its container"
    goal = f"≤ {_GOAL_RATIO} ×"
    met = ratio <= _GOAL_RATIO
    started = Figure(name, median(ours[1:]), "s", goal, met, "FastAPI hello in it", median(floor[1:]), ratio)
    return [*sizes, started]


def _port() -> dict[str, str]:
    return {"PORT": str(free_port()), "HOST": "127.0.0.1"}


def _start_s(command: Sequence[str], env: Mapping[str, str]) -> float:
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while not is_healthy(int(env["PORT"])):
            if process.poll() is not None or time.perf_counter() - started > _WITHIN_S:
                raise TimeoutError("no 200 on /health in the container")
            time.sleep(0.002)
        return time.perf_counter() - started
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
