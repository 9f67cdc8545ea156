"""What builds and holds images: Docker or Podman where one runs, Buildah where none does."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.images.catalogue import Image
from deploy.images.index import Secrets


class CannotBuild(Exception):
    """Images cannot be built here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What an image says of itself."""

    version: str
    revision: str

    def arguments(self) -> list[str]:
        """As every builder takes them."""
        return ["--build-arg", f"MARU_VERSION={self.version}", "--build-arg", f"REVISION={self.revision}"]


@dataclass(frozen=True, slots=True)
class Config:
    """What an image starts with, and every line that tells how it was made."""

    user: str
    env: Mapping[str, str]
    command: tuple[str, ...]
    folder: str
    labels: Mapping[str, str]
    history: tuple[str, ...]


class Engine(Protocol):
    """Builds images, and shows and runs what is in them."""

    name: str

    def build(self, image: Image, base: str | None, labels: Labels, secrets: Secrets) -> None:
        """Build and tag it; `base` is the Dockerfile's own unless given."""
        ...

    def config(self, image: Image) -> Config:
        """Of the image that was built last."""
        ...

    def pushed_bytes(self, image: Image) -> int:
        """What a host pulls that holds none of its layers."""
        ...

    def root(self, image: Image) -> AbstractContextManager[Path]:
        """Its file system, to be looked at."""
        ...

    def command(self, image: Image, root: Path, env: Mapping[str, str], argv: Sequence[str]) -> list[str]:
        """A command that runs `argv` in it until it ends: as its user, on a read-only root, with `/tmp` to write to and the host's network."""
        ...


def run(*command: str | Path, within_s: float = 1800) -> str:
    """What a command prints; what it complains of when it fails."""
    done = subprocess.run(  # noqa: S603 - commands are written in this package
        [str(word) for word in command], capture_output=True, text=True, timeout=within_s, check=False
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise CannotBuild(f"`{command[0]} {command[1]}` failed with {done.returncode}:\n{tail}")
    return done.stdout


def variables(listed: Sequence[str] | None) -> dict[str, str]:
    """`NAME=value` lines as a mapping."""
    return dict(line.split("=", 1) for line in listed or ())
