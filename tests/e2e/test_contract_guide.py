"""The examples of the API guide work, in their order, as a reader would paste them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.serial, pytest.mark.xdist_group("product")]

GUIDE = Path(__file__).parents[2] / "docs" / "api.md"


def test_every_example_of_the_guide_works(product: Any, tmp_path: Path) -> None:
    curl = shutil.which("curl") or f"{sys.executable} -m shared.testing.curl"
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    script = "\n".join(["set -euo pipefail", f'curl() {{ {curl} --fail-with-body "$@"; }}', *blocks])
    script = script.replace("/tmp/maru-guide.txt", str(tmp_path / "guide.txt"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "API": product.api_url, "no_proxy": "127.0.0.1"}
    ended = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=150, check=False)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    for shown in (
        *("event: step", "event: done", '"hits":[{', "event: start", "event: delta", '"status":"ok"', "지우"),
        *('"filename":"고양이.png"', '"created":1', "event: progress", "event: cancelled"),
    ):
        assert shown in ended.stdout, f"{shown!r} is missing in {ended.stdout[-4000:]}"
