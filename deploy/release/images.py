"""Images: built once, pushed by digest, named by digest ever after."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deploy.images.catalogue import IMAGES
from deploy.release.commands import Commands, Failed, say

# Workers run on hosts of their own, which take their image from where their owner says.
DOCKERFILES: Mapping[str, str] = {name: image.dockerfile for name, image in sorted(IMAGES.items()) if name != "worker"}
_BASE = re.compile(r"^ARG BASE=(\S+)$", re.MULTILINE)
_DIGEST = re.compile(r"[a-z0-9.-]+(?::\d+)?/[a-z0-9./_-]+@sha256:[0-9a-f]{64}")


def read_images(path: Path) -> dict[str, str]:
    """The images of a release, each by its digest: a tag could mean another image tomorrow."""
    try:
        images = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Failed(
            f"{path} does not hold the images of a release: write it with `python -m deploy.release build`"
        ) from error
    if not isinstance(images, dict) or set(images) != set(DOCKERFILES):
        raise Failed(f"{path} must name exactly {', '.join(sorted(DOCKERFILES))}")
    for name, image in images.items():
        if not isinstance(image, str) or not _DIGEST.fullmatch(image):
            raise Failed(f"{path}: {name} is {image!r}; use REGISTRY/NAME@sha256:…")
    return images


def build(commands: Commands, registry: str, revision: str, version: str, out: Path) -> None:
    """Build and push every image, with its list of parts (SBOM) and its provenance, and write their digests to `out`."""
    if not re.fullmatch(r"[0-9a-f]{7,40}", revision):
        raise Failed(f"{revision!r} is no commit: an image says which one it was built from")
    base = _base(commands)
    built: dict[str, str] = {}
    for name, dockerfile in DOCKERFILES.items():
        with tempfile.TemporaryDirectory() as folder:
            metadata = Path(folder) / "metadata.json"
            commands.change(
                "docker",
                "buildx",
                "build",
                f"--file={dockerfile}",
                "--platform=linux/amd64",
                f"--build-arg=BASE={base}",
                f"--build-arg=REVISION={revision}",
                f"--build-arg=MARU_VERSION={version}",
                "--provenance=mode=max",
                "--sbom=true",
                f"--output=type=image,name={registry}/{name},push-by-digest=true,name-canonical=true,push=true",
                f"--metadata-file={metadata}",
                ".",
            )
            if not commands.dry_run:
                built[name] = f"{registry}/{name}@{_digest(metadata)}"
    if not commands.dry_run:
        out.write_text(json.dumps(built, indent=2) + "\n", encoding="utf-8")
        read_images(out)
        say(f"{out} names what was built")


def _base(commands: Commands) -> str:
    """What all images stand on, by its digest: one for all of them, even if it is renewed while they are built."""
    texts = [Path(dockerfile).read_text(encoding="utf-8") for dockerfile in DOCKERFILES.values()]
    named = {base for text in texts for base in _BASE.findall(text) or ["nothing named by ARG BASE"]}
    if len(named) > 1:
        raise Failed(f"images stand on {' and '.join(sorted(named))}: name one")
    base = named.pop()
    manifest = commands.read("docker", "buildx", "imagetools", "inspect", base, "--format={{json .Manifest}}")
    return f"{base}@{manifest['digest']}"


def _digest(metadata: Path) -> str:
    try:
        return str(json.loads(metadata.read_text(encoding="utf-8"))["containerimage.digest"])
    except (OSError, ValueError, KeyError) as error:
        raise Failed("docker did not say which digest it pushed") from error
