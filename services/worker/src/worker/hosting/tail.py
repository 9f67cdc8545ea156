"""The last lines of a process's output, of which there may be any amount."""

from __future__ import annotations

import re
from collections import deque

_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Tail:
    """Keeps `lines` lines of `width` characters. A progress bar that rewrites its line is kept as it last was."""

    def __init__(self, lines: int = 40, width: int = 500) -> None:
        self._width = width
        self._kept: deque[str] = deque(maxlen=lines)
        self._open = b""

    def feed(self, data: bytes) -> None:
        """Take what was printed."""
        pieces = (self._open + data).split(b"\n")
        # A line without an end may be endless: only its end is of interest.
        self._open = pieces.pop()[-4 * self._width :]
        for piece in pieces:
            self._keep(piece)

    def lines(self) -> list[str]:
        """What was printed last, without colours and control characters."""
        last = self._clean(self._open)
        return [*self._kept, last] if last else list(self._kept)

    def clear(self) -> None:
        """Forget everything: a new run begins."""
        self._kept.clear()
        self._open = b""

    def _keep(self, line: bytes) -> None:
        if cleaned := self._clean(line):
            self._kept.append(cleaned)

    def _clean(self, line: bytes) -> str:
        text = line[-4 * self._width :].decode("utf-8", "replace")
        shown = [part for part in _LINE_BREAK.split(text) if part.strip()]
        plain = _COLOUR.sub("", shown[-1]) if shown else ""
        return "".join(one for one in plain if one.isprintable() or one == "\t").rstrip()[: self._width]
