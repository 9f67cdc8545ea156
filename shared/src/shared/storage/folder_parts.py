"""Uploads in parts, in a folder: each is a folder of its own below `.parts`, with a note of the type and one file for each part.

A part is written like an object, so that its end tells its size and hash. Completing joins the parts into a draft and publishes that by one
rename; only then the parts go, so a crash in between leaves both, and completing again does no harm.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from shared.storage.errors import LinkRefused, ObjectMissing, PartsGone, PartsRefused
from shared.storage.folder_file import Draft, disk_errors, open_object
from shared.storage.parts import MOST_PARTS, SMALLEST_PART
from shared.storage.port import ObjectInfo, Part

if TYPE_CHECKING:
    from typing import BinaryIO

FOLDER = ".parts"
_TYPE = "type"
_PIECE = 256 * 1024
_FOLDER_RACES = 20
_ID = re.compile(r"[0-9a-f]{32}")
_PART = re.compile(r"([1-9][0-9]{0,4})~")


class FolderParts:
    """What has come of uploads in parts below `root`. Nothing here is asynchronous; keys are checked already."""

    def __init__(self, root: Path) -> None:
        self._root = root / FOLDER

    def begin(self, key: str, content_type: str) -> str:
        """A new upload's id."""
        parts_id = uuid4().hex
        folder = self._root / f"{key}~" / parts_id
        with disk_errors():
            for attempt in range(_FOLDER_RACES):
                try:
                    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                    break
                except FileNotFoundError:
                    # Somebody beside us has just removed the folder above for being empty.
                    if attempt == _FOLDER_RACES - 1:
                        raise
            (folder / _TYPE).write_text(content_type)
        return parts_id

    def check(self, key: str, parts_id: str, number: int | None) -> Path:
        """Where this part belongs. Raises `PartsGone`, or `LinkRefused` for a number that no part has."""
        if number is None or not 1 <= number <= MOST_PARTS:
            raise LinkRefused
        return self._open(key, parts_id) / f"{number}~"

    def listed(self, key: str, parts_id: str) -> list[Part]:
        """What has come, by number. Raises `PartsGone`."""
        folder = self._open(key, parts_id)
        found = []
        try:
            paths = list(folder.iterdir())
        except FileNotFoundError as gone:
            raise PartsGone from gone
        for path in paths:
            if part := _PART.fullmatch(path.name):
                with suppress(ObjectMissing):
                    file, info = open_object(path)
                    file.close()
                    found.append(Part(int(part[1]), info.size, info.etag))
        return sorted(found, key=lambda part: part.number)

    def join(self, key: str, parts_id: str, parts: Sequence[Part], draft: Draft, target: Path) -> ObjectInfo:
        """Publish the parts as one object and forget them. Raises `PartsGone` or `PartsRefused`, and then changes nothing."""
        folder = self._open(key, parts_id)
        _check_order(parts)
        try:
            content_type = (folder / _TYPE).read_text()
            for part in parts:
                file, info = open_object(folder / f"{part.number}~")
                with file:
                    if info.etag != part.etag:
                        raise PartsRefused(f"Part {part.number} was replaced meanwhile.")
                    _append(file, info.size, draft)
        except (FileNotFoundError, ObjectMissing) as missing:
            raise PartsRefused if folder.exists() else PartsGone from missing
        joined = draft.publish(target, content_type, None, None)
        self.abort(key, parts_id)
        return joined

    def abort(self, key: str, parts_id: str) -> None:
        """Forget what came; what is not there is forgotten already."""
        if _ID.fullmatch(parts_id):
            folder = self._root / f"{key}~" / parts_id
            self._remove(folder)
            self._tidy(folder.parent)

    def abort_below(self, prefix: str) -> None:
        """Forget everything that is on its way to below a prefix."""
        folder = self._root / prefix
        self._remove(folder)
        self._tidy(folder.parent)

    def forget_old(self, before: float) -> int:
        """Forget uploads to which nothing has come since `before` (Unix seconds), and say how many."""
        count = 0
        for parent, _, names in os.walk(self._root, topdown=False):
            folder = Path(parent)
            with suppress(FileNotFoundError):
                if _TYPE in names and folder.stat().st_mtime < before:
                    self._remove(folder)
                    self._tidy(folder.parent)
                    count += 1
        return count

    def _open(self, key: str, parts_id: str) -> Path:
        folder = self._root / f"{key}~" / parts_id
        if not _ID.fullmatch(parts_id) or not (folder / _TYPE).exists():
            raise PartsGone
        return folder

    def _remove(self, folder: Path) -> None:
        """By one rename first: who looks meanwhile finds all of it, or nothing."""
        gone = self._root.parent / ".drafts" / uuid4().hex
        with suppress(FileNotFoundError):
            gone.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.replace(gone)
            # A folder keeps its time when it is moved, and what a crash leaves here goes by that.
            os.utime(gone, (time.time(), time.time()))
            shutil.rmtree(gone, ignore_errors=True)

    def _tidy(self, folder: Path) -> None:
        while folder != self._root.parent:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent


def _check_order(parts: Sequence[Part]) -> None:
    numbers = [part.number for part in parts]
    if not parts or numbers != sorted(set(numbers)):
        raise PartsRefused
    if small := [part.number for part in parts[:-1] if part.size < SMALLEST_PART]:
        raise PartsRefused(f"Part {small[0]} is smaller than {SMALLEST_PART} bytes and not the last.")


def _append(file: BinaryIO, size: int, draft: Draft) -> None:
    while piece := file.read(min(_PIECE, size - file.tell())):
        if draft.add(piece, None):
            draft.drain()
