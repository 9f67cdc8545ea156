"""The folder in which inputs and outputs lie, and from which a restarted agent knows what it had promised.

claim.json               a claim whose answer is not known yet
tasks/<task>.<attempt>/  task.json, input, output
"""

from __future__ import annotations

import fcntl
import logging
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO
from uuid import UUID

from pydantic import BaseModel, ValidationError
from shared.contracts.dispatch import LeasedTask

from worker.exits import BUSY, CannotWork
from worker.work import Result, Stage, Work

log = logging.getLogger("worker.folder")
# What stays free on the disk whatever a task brings.
SPARE_BYTES = 256 * 1024**2
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,8}")


class Record(BaseModel):
    """`task.json`."""

    task: LeasedTask
    stage: Stage
    result: Result | None = None


class _Claim(BaseModel):
    claim_id: UUID


class WorkFolder:
    """One agent's folder; a second agent in it is refused."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tasks = root / "tasks"
        self._claim = root / "claim.json"
        self._lock: IO[str] | None = None

    def open(self) -> None:
        """Make it and lock it. Raises `CannotWork` when it cannot be written or another agent has it."""
        try:
            self._tasks.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Kept open: the lock lasts as long as the process, however it ends.
            lock = (self._root / "lock").open("a")
        except OSError as error:
            raise CannotWork(f"--work-dir {self._root} cannot be used: {error.strerror}.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise CannotWork(
                f"Another worker uses {self._root}. Give this one a --name or a --work-dir of its own.", BUSY
            ) from error
        self._lock = lock

    def close(self) -> None:
        """Let another agent have it."""
        if self._lock is not None:
            self._lock.close()

    def add(self, task: LeasedTask) -> Work:
        """A folder for a task that was claimed."""
        folder = self._tasks / f"{task.task_id}.{task.attempt}"
        with suppress(OSError):
            # A disk that takes no folder takes no input either, and that is reported then.
            folder.mkdir(mode=0o700, exist_ok=True)
        work = Work(task, folder)
        self.keep(work)
        return work

    def keep(self, work: Work) -> None:
        """Write down how far a task is; whole or not at all. A disk that is full costs the record, not the work."""
        record = Record(task=work.task, stage=work.stage, result=work.result)
        _write(work.folder / "task.json", record.model_dump_json())

    def forget(self, work: Work) -> None:
        """Remove everything of a task."""
        shutil.rmtree(work.folder, ignore_errors=True)

    def recover(self) -> list[Work]:
        """What an agent before this one left. Folders that cannot be read are removed."""
        found: list[Work] = []
        for folder in sorted(self._tasks.iterdir()):
            try:
                record = Record.model_validate_json((folder / "task.json").read_bytes())
            except (OSError, ValidationError):
                shutil.rmtree(folder, ignore_errors=True)
                continue
            found.append(Work(record.task, folder, record.stage, record.result))
        return found

    def claim_id(self) -> UUID | None:
        """The claim whose answer an agent before this one did not get."""
        try:
            return _Claim.model_validate_json(self._claim.read_bytes()).claim_id
        except (OSError, ValidationError):
            return None

    def keep_claim(self, claim_id: UUID) -> None:
        """Write down a claim before it is made."""
        _write(self._claim, _Claim(claim_id=claim_id).model_dump_json())

    def forget_claim(self) -> None:
        """Its answer is known, and its tasks are written down."""
        self._claim.unlink(missing_ok=True)

    def room_for(self, size: int) -> bool:
        """Whether `size` more bytes fit on the disk."""
        return shutil.disk_usage(self._root).free >= size + SPARE_BYTES


def input_path(work: Work) -> Path:
    """Where the input lies. Only a harmless extension is taken from its name, for programs that look at it."""
    suffix = Path(work.task.input_name or work.task.input_path or "").suffix
    return work.folder / f"input{suffix.lower() if _EXTENSION.fullmatch(suffix) else ''}"


def _write(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        log.warning("%s was not written: %s", path.name, error)
