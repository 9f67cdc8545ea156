"""What the person at the terminal sees while Maru starts."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the closing table."""

    what: str
    where: str
    engine: str
    switch: str


class Progress:
    """Lines as things become ready, then one table; plain text where the output is not a terminal."""

    def __init__(self) -> None:
        self._rich = sys.stdout.isatty()
        self._began = time.monotonic()

    @contextmanager
    def step(self, what: str, ready: str) -> Generator[None]:
        """Show `what` while the block runs and `ready`, with its seconds, when it is done."""
        began = time.monotonic()
        if self._rich:
            self._write(f"  … {what}")
        yield
        seconds = time.monotonic() - began
        mark = "\r\033[2K  \033[32m✓\033[0m" if self._rich else "  ok"
        self._write(f"{mark} {ready}  ({seconds:.1f} s)\n")

    def say(self, text: str) -> None:
        """One line."""
        self._write(f"{text}\n")

    def refuse(self, reason: str) -> None:
        """Why it does not start, on stderr."""
        sys.stderr.write(f"\nmaru: {reason}\n")

    def table(self, rows: Sequence[Row], closing: str) -> None:
        """What runs where, and how each engine is switched."""
        heads = Row("what", "where", "engine", "switched by")
        if not self._rich:
            self._plain([heads, *rows])
        else:
            from rich.console import Console
            from rich.table import Table

            table = Table(title=f"Maru is up ({time.monotonic() - self._began:.1f} s)", title_justify="left")
            for head in (heads.what, heads.where, heads.engine, heads.switch):
                table.add_column(head, overflow="fold")
            for row in rows:
                table.add_row(row.what, row.where, row.engine, row.switch)
            Console().print(table)
        self.say(closing)

    def _plain(self, rows: Sequence[Row]) -> None:
        cells = [(row.what, row.where, row.engine, row.switch) for row in rows]
        widths = [max(len(line[column]) for line in cells) for column in range(4)]
        for line in cells:
            self._write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n")

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
