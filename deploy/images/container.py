"""Images by Docker or Podman, whose commands are alike."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.images.catalogue import ROOT, Image
from deploy.images.engine import CannotBuild, Config, Labels, run, variables
from deploy.images.index import Secrets

_PIECE = 1024 * 1024


class Container:
    """The engine that answers behind the command `name`."""

    def __init__(self, name: str) -> None:
        """Raises `CannotBuild` when it is not there, or is only a client."""
        self.name = name
        if shutil.which(name) is None:
            raise CannotBuild(f"{name} is not installed")
        run(name, "info", within_s=20)

    def build(self, image: Image, base: str | None, labels: Labels, secrets: Secrets) -> None:
        """See `Engine`."""
        given = ["--build-arg", f"BASE={base}"] if base else []
        # fmt: off
        run(
            self.name, "build", *given, *labels.arguments(), *secrets.arguments(),
            "--file", ROOT / image.dockerfile, "--tag", image.tag, ROOT,
        )
        # fmt: on

    def config(self, image: Image) -> Config:
        """See `Engine`."""
        config = json.loads(run(self.name, "image", "inspect", image.tag))[0]["Config"]
        lines = run(self.name, "history", "--no-trunc", "--format", "{{.CreatedBy}}", image.tag)
        return Config(
            user=config.get("User") or "",
            env=variables(config.get("Env")),
            command=(*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
            folder=config.get("WorkingDir") or "/",
            labels=config.get("Labels") or {},
            history=tuple(lines.splitlines()),
        )

    def pushed_bytes(self, image: Image) -> int:
        """See `Engine`; engines tell no size of a layer that was not pushed, so it is compressed here."""
        total, packed = 0, zlib.compressobj(6, wbits=31)
        with subprocess.Popen([self.name, "save", image.tag], stdout=subprocess.PIPE) as saved:  # noqa: S603 - an engine of ENGINES
            assert saved.stdout is not None
            while piece := saved.stdout.read(_PIECE):
                total += len(packed.compress(piece))
        return total + len(packed.flush())

    @contextmanager
    def root(self, image: Image) -> Generator[Path]:
        """See `Engine`; a copy."""
        container = run(self.name, "create", image.tag).strip()
        try:
            with tempfile.TemporaryDirectory(prefix="maru-root-") as folder:
                archive = Path(folder) / "root.tar"
                run(self.name, "export", "--output", archive, container)
                root = Path(folder) / "root"
                root.mkdir()
                run("tar", "--extract", "--file", archive, "--directory", root, "--exclude=dev/*", "--no-same-owner")
                yield root
        finally:
            run(self.name, "rm", container)

    def command(self, image: Image, _root: Path, env: Mapping[str, str], argv: Sequence[str]) -> list[str]:
        """See `Engine`."""
        settings = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
        # fmt: off
        return [
            self.name, "run", "--rm", "--init", "--network", "host", "--read-only", "--tmpfs", "/tmp",  # noqa: S108 - in the container
            "--cap-drop", "ALL", "--security-opt", "no-new-privileges", *settings,
            "--entrypoint", argv[0], image.tag, *argv[1:],
        ]
        # fmt: on
