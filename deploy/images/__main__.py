"""`python -m deploy.images [NAME…]`: build them, and say what each weighs."""

from __future__ import annotations

import argparse
import os
import sys
import time
import tomllib

from deploy.images.catalogue import IMAGES, ROOT
from deploy.images.choosing import ENGINES, find_engine
from deploy.images.engine import CannotBuild, Labels, run
from deploy.images.index import index_secrets
from deploy.images.weighing import weigh


def main(arguments: list[str]) -> int:
    """The process's exit code."""
    parser = argparse.ArgumentParser(prog="make images", description="Build Maru's container images.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(IMAGES)} (all)")
    parser.add_argument("--engine", choices=ENGINES, help="what builds them (the first of these that answers)")
    parser.add_argument("--base", help="base image; Buildah makes one of Debian's packages when none is named")
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.names if name not in IMAGES]:
        parser.error(f"there is no image {', '.join(unknown)}: choose from {', '.join(IMAGES)}")
    try:
        engine = find_engine(asked.engine)
        labels = Labels(_version(), _revision())
        with index_secrets(os.environ) as secrets:
            for image in (IMAGES[name] for name in asked.names or IMAGES):
                started = time.monotonic()
                engine.build(image, asked.base, labels, secrets)
                took = time.monotonic() - started
                sys.stdout.write(f"{weigh(engine, image).line(image)}   in {took:.0f} s by {engine.name}\n")
                sys.stdout.flush()
    except CannotBuild as reason:
        sys.exit(f"images: {reason}")
    return 0


def _version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def _revision() -> str:
    try:
        return run("git", "-C", ROOT, "rev-parse", "HEAD", within_s=20).strip()
    except (CannotBuild, OSError):
        # An archive of the sources has no history.
        return "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
