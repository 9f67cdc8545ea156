"""Images without a container engine: Buildah in a chroot, and a base made of Debian's packages."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from deploy.images import debian
from deploy.images.catalogue import ROOT, Image
from deploy.images.engine import CannotBuild, Config, Labels, run, variables
from deploy.images.index import Secrets

_STORE = ROOT / ".cache" / "images"
# Read-only for everything that runs in it but /tmp, as on Cloud Run with a read-only root, or in compose.
_ENTER = """
set -e
root=$1; user=$2; folder=$3; shift 3
mount --rbind "$root" "$root"
mount -t proc -o ro proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o nosuid,nodev tmpfs "$root/tmp"
mount -o remount,bind,ro "$root"
exec env -i "$CHROOT" --userspec="$user" --groups= "$root" /usr/bin/env --chdir="$folder" "$@"
"""


class Buildah:
    """Buildah with a store of its own under `.cache/`."""

    name = "buildah"

    def __init__(self) -> None:
        """Raises `CannotBuild` when it is not installed, or this account may not build."""
        if shutil.which("buildah") is None:
            raise CannotBuild(
                "neither Docker nor Podman answers, and Buildah is not installed: apt-get install buildah mmdebstrap"
            )
        if os.geteuid() != 0:
            raise CannotBuild(
                "Buildah builds in a chroot here, which only root may: use sudo, or start Docker or Podman."
            )

    def build(self, image: Image, base: str | None, labels: Labels, secrets: Secrets) -> None:
        """See `Engine`. The chroot shares the host's network: a namespace of its own would need an engine's."""
        given = base or self._debian()
        # fmt: off
        self._buildah(
            "bud", "--isolation", "chroot", "--network", "host", "--layers", "--format", "docker", "--build-arg", f"BASE={given}",
            *labels.arguments(), *secrets.arguments(), "--file", ROOT / image.dockerfile, "--tag", image.tag, ROOT,
        )
        # fmt: on

    def config(self, image: Image) -> Config:
        """See `Engine`."""
        found = json.loads(self._buildah("inspect", "--type", "image", self._named(image)))["OCIv1"]
        config = found["config"]
        return Config(
            user=config.get("User", ""),
            env=variables(config.get("Env")),
            command=(*config.get("Entrypoint", ()), *config.get("Cmd", ())),
            folder=config.get("WorkingDir") or "/",
            labels=config.get("Labels") or {},
            history=tuple(line.get("created_by", "") for line in found.get("history", ())),
        )

    def pushed_bytes(self, image: Image) -> int:
        """See `Engine`."""
        with tempfile.TemporaryDirectory(prefix="maru-push-") as folder:
            self._buildah("push", "--quiet", self._named(image), f"dir:{folder}")
            manifest = json.loads((Path(folder) / "manifest.json").read_text())
        return sum(layer["size"] for layer in manifest["layers"])

    @contextmanager
    def root(self, image: Image) -> Generator[Path]:
        """See `Engine`."""
        container = self._buildah("from", "--pull-never", self._named(image)).strip()
        try:
            yield Path(self._buildah("mount", container).strip())
        finally:
            self._buildah("rm", container)

    def command(self, image: Image, root: Path, env: Mapping[str, str], argv: Sequence[str]) -> list[str]:
        """See `Engine`. In namespaces of its own, so that its mounts and its children end with it."""
        config = self.config(image)
        settings = [f"{name}={value}" for name, value in {**config.env, **env}.items()]
        enter = _ENTER.replace("$CHROOT", shutil.which("chroot") or "/usr/sbin/chroot")
        spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--propagation", "private"]
        return [*spaces, "sh", "-c", enter, "enter", str(root), config.user, config.folder, *settings, *argv]

    def _debian(self) -> str:
        tag = debian.tag(datetime.now(UTC).date())
        if tag not in self._buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
            with debian.root_archive() as folder:
                self._buildah("bud", "--isolation", "chroot", "--quiet", "--tag", tag, folder)
        return tag

    def _named(self, image: Image) -> str:
        return f"localhost/{image.tag}"

    def _buildah(self, *words: str | Path) -> str:
        return run("buildah", "--root", _STORE / "store", "--runroot", _STORE / "run", *words)
