"""A base image out of Debian's packages, for machines that reach a mirror of Debian and no registry of images."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from deploy.images.engine import CannotBuild, run

SUITE = "bookworm"
# Wheels with C++ in them (gRPC, Kiwi) take its library from the system, as official images have it.
_PACKAGES = "python3-minimal,libpython3-stdlib,python3-pip-whl,libstdc++6,ca-certificates,tzdata"
_LEFT_OUT = ("doc", "man", "info", "locale")
# As the official image of Python has it: `python`, pip beside the standard library, and no bytecode.
_LIKE_OFFICIAL = (
    'chroot "$1" python3 -m zipfile -e /usr/share/python-wheels/pip-*.whl /usr/local/lib/python3.11/dist-packages',
    'rm -r "$1/usr/share/python-wheels"',
    'ln -s /usr/bin/python3 "$1/usr/local/bin/python"',
    'find "$1/usr" -xdev -name "*.pyc" -delete',
)


def tag(today: date) -> str:
    """The base's name: another one when the recipe changes, and each week, so that Debian's security updates arrive."""
    recipe = repr((SUITE, _PACKAGES, _LEFT_OUT, _LIKE_OFFICIAL)).encode()
    year, week, _ = today.isocalendar()
    return f"localhost/maru-base:{SUITE}-{year}w{week:02}-{hashlib.sha256(recipe).hexdigest()[:8]}"


@contextmanager
def root_archive() -> Generator[Path]:
    """A folder with a Dockerfile that makes the base; Debian's signatures are checked by apt."""
    if shutil.which("mmdebstrap") is None:
        raise CannotBuild(
            "no base image is given and mmdebstrap is not installed: apt-get install mmdebstrap, or name one with --base"
        )
    with tempfile.TemporaryDirectory(prefix="maru-base-") as folder:
        # fmt: off
        run(
            "mmdebstrap", "--quiet", "--variant=essential", f"--include={_PACKAGES}",
            *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT),
            *(f"--customize-hook={hook}" for hook in _LIKE_OFFICIAL),
            SUITE, f"{folder}/root.tar",
        )
        # fmt: on
        (Path(folder) / "Dockerfile").write_text("FROM scratch\nADD root.tar /\n")
        yield Path(folder)
