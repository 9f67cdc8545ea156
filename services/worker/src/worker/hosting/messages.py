"""What the agent and a child process say to each other: one JSON document a line."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from worker.work import Result


class RunCommand(BaseModel):
    """Agent to child: run this."""

    params: dict[str, Any]
    input: str | None = None
    input_name: str
    output: str
    max_output_bytes: int


class ToChild(BaseModel):
    """One line to the child: a run, or the wish that the present one ends."""

    run: RunCommand | None = None
    stop: bool = False


class FromChild(BaseModel):
    """One line from the child: how far it is, how long it may take, or how it ended."""

    progress: float | None = None
    limit_s: float | None = None
    result: Result | None = None
