"""Commands of others: `gcloud`, `docker`, `maru smoke`. Everything that changes something passes through `Commands.change`."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class Failed(Exception):
    """A release cannot go on; the message says why and what to do."""


def say(text: str) -> None:
    """One line for whoever releases."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - a command speaks on stderr


@dataclass(frozen=True, slots=True)
class Commands:
    """With `dry_run` what would change something is only printed; reading is done all the same."""

    dry_run: bool = False

    def change(self, *words: str) -> None:
        """Run a command that changes something, its output where ours goes."""
        say(f"{'would run' if self.dry_run else 'running'}: {shlex.join(words)}")
        if not self.dry_run:
            self._run(words, capture=False)

    def read(self, *words: str) -> Any:
        """What a command prints, as JSON."""
        printed = self._run(words, capture=True)
        try:
            return json.loads(printed)
        except ValueError as error:
            raise Failed(f"{shlex.join(words)} did not print JSON") from error

    def approves(self, *words: str, told: str = "") -> bool:
        """Whether a command that judges ends with 0; in a dry run nobody is asked. `told` is its standard input, and said nowhere."""
        say(f"{'would run' if self.dry_run else 'running'}: {shlex.join(words)}")
        return self.dry_run or self._code(words, told) == 0

    def _run(self, words: Sequence[str], *, capture: bool) -> str:
        try:
            done = subprocess.run(list(words), check=False, text=True, stdout=subprocess.PIPE if capture else None)  # noqa: S603 - words of ours
        except OSError as error:
            raise _missing(words[0]) from error
        if done.returncode:
            raise Failed(f"{shlex.join(words)} ended with {done.returncode}")
        return done.stdout or ""

    def _code(self, words: Sequence[str], told: str) -> int:
        try:
            return subprocess.run(list(words), check=False, text=True, input=told).returncode  # noqa: S603 - words of ours
        except OSError as error:
            raise _missing(words[0]) from error


def _missing(program: str) -> Failed:
    return Failed(f"{program} cannot be run: install it, or put it on PATH")
