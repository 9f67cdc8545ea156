"""`python -m deploy.release build|deploy|rollback|smoke|status`: needs nothing but Python, and what it runs: gcloud, docker, maru."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from deploy.release import images
from deploy.release.cloud_run import CloudRun
from deploy.release.commands import Commands, Failed, say
from deploy.release.release import ORDER, Release, Smoke, smoke_words

_INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run one command; 0 is success."""
    signal.signal(signal.SIGTERM, _interrupt)
    given = _parser().parse_args(arguments)
    commands = Commands(dry_run=given.dry_run)
    try:
        _run(given, commands)
    except Failed as failed:
        say(f"maru: {failed}")
        return 1
    except KeyboardInterrupt:
        say("maru: interrupted")
        return _INTERRUPTED
    return 0


def _run(given: argparse.Namespace, commands: Commands) -> None:
    if given.command == "build":
        images.build(commands, given.registry, given.revision, given.version, given.images)
        return
    for name in ("project", "region"):
        if not getattr(given, name):
            raise Failed(f"--{name} is missing: give it, or set GOOGLE_CLOUD_{name.upper()}")
    cloud = CloudRun(commands, given.project, given.region)
    account = (os.environ.get("MARU_SMOKE_EMAIL", ""), os.environ.get("MARU_SMOKE_PASSWORD", ""))
    if bool(account[0]) != bool(account[1]):
        raise Failed("MARU_SMOKE_EMAIL and MARU_SMOKE_PASSWORD belong together: set both, or neither")
    release = Release(cloud, Smoke(commands, smoke_words(given.smoke), *account))
    match given.command:
        case "deploy":
            release.deploy(images.read_images(given.images))
        case "rollback":
            release.rollback(given.only)
        case "smoke":
            release.try_what_serves()
        case _:
            release.status()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.release")
    commands = parser.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--dry-run", action="store_true", help="print what would change something, and do not run it")
    placed = argparse.ArgumentParser(add_help=False, parents=[shared])
    placed.add_argument("--project", default=os.environ.get("GOOGLE_CLOUD_PROJECT", ""))
    placed.add_argument("--region", default=os.environ.get("GOOGLE_CLOUD_REGION", "asia-northeast3"))
    placed.add_argument("--smoke", default="maru smoke", help="the command that tries a running Maru")

    build = commands.add_parser("build", parents=[shared], help="build and push every image, and write their digests")
    build.add_argument("--registry", required=True, help="such as asia-northeast3-docker.pkg.dev/PROJECT/maru")
    build.add_argument("--revision", required=True, help="the commit that is built")
    build.add_argument("--version", default="0.1.0")
    build.add_argument("--images", type=Path, default=Path("images.json"))
    deploy = commands.add_parser("deploy", parents=[placed], help="release the images that a build has written down")
    deploy.add_argument("--images", type=Path, default=Path("images.json"))
    rollback = commands.add_parser("rollback", parents=[placed], help="go back to what served before the last release")
    rollback.add_argument("--only", action="append", choices=ORDER, default=[], help="this service; may be repeated")
    commands.add_parser("smoke", parents=[placed], help="try what serves people now")
    commands.add_parser("status", parents=[placed], help="say what serves, and what one would go back to")
    return parser


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
