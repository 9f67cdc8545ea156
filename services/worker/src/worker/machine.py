"""What this machine is, without loading what drives it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

_QUERY = ("--query-gpu=name,memory.total", "--format=csv,noheader,nounits")


@dataclass(frozen=True, slots=True)
class Gpus:
    """The GPUs of this machine; memory is that of the smallest one, in GiB."""

    name: str | None = None
    memory_gib: float = 0
    count: int = 0


def detect() -> Gpus:
    """Ask nvidia-smi; no GPU when it is not there or does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return Gpus()
    try:
        answered = subprocess.run([program, *_QUERY], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return Gpus()
    return parse(answered.stdout)


def parse(table: str) -> Gpus:
    """`nvidia-smi`'s table: a line a GPU, name and MiB. Lines that are none are passed over."""
    found: list[tuple[str, float]] = []
    for line in table.splitlines():
        name, comma, mib = line.rpartition(",")
        if comma and mib.strip().isdigit():
            found.append((name.strip()[:200], int(mib) / 1024))
    if not found:
        return Gpus()
    return Gpus(found[0][0], round(min(memory for _, memory in found), 2), min(len(found), 64))
