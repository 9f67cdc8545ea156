"""What the operator says: flags first, then the environment."""

from __future__ import annotations

import argparse
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from worker.exits import CannotWork

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GIB = 1024**3
_TOKEN = re.compile(r"wk_[!-~]{8,500}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,199}")


@dataclass(frozen=True, slots=True)
class Settings:
    """One agent's settings. The token is in no representation of them."""

    url: str
    token: Token
    name: str
    work_dir: Path
    models: Path | None = None
    commands: Path | None = None
    # None: every runner that can work here.
    runners: tuple[str, ...] | None = None
    prefetch: int = 1
    max_tasks: int | None = None
    grace_s: float = 30
    task_timeout_s: float = 6 * 3600
    max_input_bytes: int = 8 * GIB
    max_output_bytes: int = 8 * GIB
    log_level: str = "INFO"


class Token:
    """A secret that prints as dots."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def reveal(self) -> str:
        """The secret itself, for the Authorization header and nothing else."""
        return self._secret

    def __repr__(self) -> str:
        return "Token(…)"


def parse(argv: Sequence[str], env: Mapping[str, str], stdin: TextIO) -> Settings:
    """Settings from the command line and the environment. Raises `CannotWork` (or argparse's exit) with what to change."""
    options = _parser(env).parse_args(argv)
    name = options.name or _host_name()
    if not _NAME.fullmatch(name):
        raise CannotWork(f"--name {name!r}: use letters, digits, '.', '_', ':', '@' and '-' (at most 200).")
    if not options.url:
        raise CannotWork("Say where the dispatcher is: --url URL or MARU_INFERENCE_URL.")
    if not re.match(r"https?://[^/\s]+", options.url):
        raise CannotWork(f"--url {options.url!r} is not an http(s) address.")
    return Settings(
        url=options.url.rstrip("/"),
        token=_token(options.token, stdin),
        name=name,
        work_dir=Path(options.work_dir or Path.home() / ".cache" / "maru-worker" / name).expanduser().absolute(),
        models=_folder("--models", options.models),
        commands=_file("--commands", options.commands),
        runners=_names(options.runners),
        prefetch=options.prefetch,
        max_tasks=1 if options.once else options.max_tasks,
        grace_s=options.grace,
        task_timeout_s=options.task_timeout,
        max_input_bytes=int(options.max_input_gib * GIB),
        max_output_bytes=int(options.max_output_gib * GIB),
        log_level=options.log_level,
    )


def _parser(env: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m worker", description="Works on tasks that a Maru dispatcher hands out, until it is stopped."
    )
    add = parser.add_argument
    add("--url", default=env.get("MARU_INFERENCE_URL"), help="the dispatcher (MARU_INFERENCE_URL)")
    add("--token", default=env.get("MARU_WORKER_TOKEN"), help="wk_…, or - to read it from stdin (MARU_WORKER_TOKEN)")
    add("--name", default=env.get("MARU_WORKER_NAME"), help="how this worker is called; default: the host's name")
    add("--work-dir", default=env.get("MARU_WORKER_DIR"), help="inputs and outputs lie here while they are worked on")
    add("--models", default=env.get("MARU_WORKER_MODELS"), help="folder of models (MARU_WORKER_MODELS)")
    add("--commands", default=env.get("MARU_WORKER_COMMANDS"), help="TOML file of programs (MARU_WORKER_COMMANDS)")
    add("--runners", default=env.get("MARU_WORKER_RUNNERS"), help="such as image,command; default: all that can work")
    add("--prefetch", type=_count, default=1, help="tasks claimed while another one runs (0: none)")
    add("--once", action="store_true", help="do one task and end")
    add("--max-tasks", type=_positive, default=None, help="end after so many tasks")
    add("--grace", type=_seconds, default=30.0, help="seconds that work may go on after SIGTERM")
    add("--task-timeout", type=_seconds, default=6 * 3600.0, help="seconds after which any run is stopped")
    add("--max-input-gib", type=_seconds, default=8.0, help="larger inputs are refused")
    add("--max-output-gib", type=_seconds, default=8.0, help="larger results are refused")
    add("--log-level", choices=("DEBUG", "INFO", "WARNING", "ERROR"), default=env.get("MARU_LOG_LEVEL", "INFO").upper())
    return parser


def _token(given: str | None, stdin: TextIO) -> Token:
    if not given:
        raise CannotWork("A worker needs a token: MARU_WORKER_TOKEN, or --token - and the token on stdin.")
    secret = stdin.readline().strip() if given == "-" else given.strip()
    if not _TOKEN.fullmatch(secret):
        raise CannotWork("That is not a worker token; one begins with wk_ (make one: maru worker token create).")
    return Token(secret)


def _host_name() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname()).strip("-._")[:200] or "worker"


def _folder(flag: str, given: str | None) -> Path | None:
    if not given:
        return None
    path = Path(given).expanduser().absolute()
    if not path.is_dir():
        raise CannotWork(f"{flag} {given}: there is no such folder.")
    return path


def _file(flag: str, given: str | None) -> Path | None:
    if not given:
        return None
    path = Path(given).expanduser().absolute()
    if not path.is_file():
        raise CannotWork(f"{flag} {given}: there is no such file.")
    return path


def _names(given: str | None) -> tuple[str, ...] | None:
    names = tuple(name.strip() for name in (given or "").split(",") if name.strip())
    return names or None


def _count(text: str) -> int:
    if (value := int(text)) < 0:
        raise argparse.ArgumentTypeError("0 or more")
    return min(value, 99)


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return value


def _seconds(text: str) -> float:
    if not (value := float(text)) >= 0:
        raise argparse.ArgumentTypeError("0 or more")
    return value
