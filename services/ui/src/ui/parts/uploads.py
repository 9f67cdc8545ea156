"""Files on their way: the browser sends them, this side only asks for addresses and confirms.

Reading a key of the session state lets a newer run end the one that a report began, and after a cut line an old run
still waits for the gateway beside the new. So what a report causes works on a copy, changes in place, and takes its turn.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import streamlit as st

from ui.core import memory, session
from ui.core.api import ApiProblem, public_url
from ui.core.i18n import t
from ui.core.trouble import explain
from ui.parts.browser import file_picker

_ACCEPT = {
    "photo": "image/jpeg,image/png,image/webp,image/gif,image/heic,image/heif",
    "audio": "audio/*,.m4a,.mp3,.wav,.ogg,.flac",
    "document": ".pdf,.docx,.md,.markdown,.html,.htm,.txt",
}
_ICONS = {"photo": "add_photo_alternate", "audio": "mic", "document": "upload_file"}
_WORDS = ("drop", "remove", "again", "ready", "checking", "broken", "list")
_RECORD_WORDS = (
    "start", "asking", "now", "stop", "listen", "use", "discard", "name", "refused", "missing", "unable",
)  # fmt: skip
_SLOT = "files-known"


@dataclass(frozen=True)
class Files:
    """The uploads that can be part of an entry, and how many chosen files are not there yet or never will be."""

    ready: tuple[str, ...] = ()
    waiting: int = 0
    failed: int = 0


@dataclass
class _File:
    """What this side knows of one chosen file."""

    upload_id: str = ""
    plan: dict[str, Any] | None = None
    ready: bool = False
    error: str = ""
    kept: bool = False


@dataclass
class _Tray:
    """The files that were chosen for one purpose, by the names that the browser gave them, and what it last said of each.

    The framework forgets that when the picker is not shown for a while; whoever comes back and presses at once is faster than
    the browser's next word.
    """

    files: dict[str, _File] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def hear(self, rows: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
        """What the browser says, or last said."""
        if rows is not None:
            self.rows = rows
        return self.rows


def choose_files(kind: str, *, into: str | None = None, most: int = 20) -> bool:
    """Show the picker of this kind and keep its uploads going; returns whether it should be drawn anew.

    `into` names the tray that it fills, `kind` unless given: two purposes do not share what was chosen. The picker is
    the same from entry to entry: the browser drops the files that were kept, and only those, so that one chosen
    meanwhile stays.
    """
    into = into or kind
    name = _picker(into)
    tray = _tray(st.session_state.setdefault(_SLOT, {}), into)
    known = dict(tray.files)
    data = {
        "name": name,
        "most": most,
        "accept": _ACCEPT[kind],
        "icon": _ICONS[kind],
        "plan": {file_id: file.plan for file_id, file in known.items() if file.plan and not file.ready},
        "outcomes": {file_id: {"ready": file.ready, "error": file.error} for file_id, file in known.items()},
        "kept": [file_id for file_id, file in known.items() if file.kept],
        "words": {word: t(f"files.{word}") for word in _WORDS}
        | {"choose": t(f"files.choose.{kind}"), "hint": t(f"files.hint.{kind}")},
    }
    if kind == "audio":
        data["record"] = {word: t(f"record.{word}") for word in _RECORD_WORDS}
    rows = tray.hear(file_picker(data, key=name, on_change=partial(_reported, into)))
    _forget_kept(rows, tray)
    # What the browser reports is done by now, unless that report ended early or this process began anew.
    return _advance(rows, tray)


def chosen_files(tray: str, page: Mapping[str, Any]) -> Files:
    """What was chosen into this tray, by a copy of the session state."""
    known = _tray(page.get(_SLOT, {}), tray).files
    rows = [row for row in _rows(page, tray) if row["id"] not in known or not known[row["id"]].kept]
    files = [known.get(row["id"], _File()) for row in rows]
    ready = tuple(file.upload_id for file in files if file.ready)
    failed = sum(bool(file.error) or row["stage"] == "broken" for row, file in zip(rows, files, strict=True))
    return Files(ready, len(rows) - len(ready) - failed, failed)


def keep_files(uploads: tuple[str, ...], tray: str, page: Mapping[str, Any]) -> None:
    """These uploads are part of an entry or a job now, and no longer chosen for the next."""
    for file in _tray(page.get(_SLOT, {}), tray).files.values():
        file.kept = file.kept or file.upload_id in uploads


def _picker(tray: str) -> str:
    return f"files-{tray}"


def _tray(slot: dict[str, _Tray], name: str) -> _Tray:
    return slot.setdefault(name, _Tray())


def _rows(page: Mapping[str, Any], tray: str) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] | None = (page.get(_picker(tray)) or {}).get("files")
    return _tray(page.get(_SLOT, {}), tray).hear(said)


def _reported(name: str) -> None:
    page = st.session_state.to_dict()
    _advance(_rows(page, name), _tray(page.get(_SLOT, {}), name))


def _forget_kept(rows: list[dict[str, Any]], tray: _Tray) -> None:
    """The browser has dropped what it no longer names."""
    named = {row["id"] for row in rows}
    with tray.turn:
        tray.files = {name: file for name, file in tray.files.items() if name in named or not file.kept}


def _advance(rows: list[dict[str, Any]], tray: _Tray) -> bool:
    """Move every file one step on; returns whether there was one to move."""
    with tray.turn:
        # A file whose upload the browser names was begun by a process that is no more.
        files = [tray.files.setdefault(row["id"], _File(upload_id=row.get("upload") or "")) for row in rows]
        moved = [_step(row, file) for row, file in zip(rows, files, strict=True)]
    return any(moved)


def _step(row: dict[str, Any], file: _File) -> bool:
    """An address for what was picked, a confirmation for what was sent."""
    if file.ready or file.error or file.kept:
        return False
    lacks_parts = bool(file.upload_id) and _lacks_parts(row, file)
    if file.upload_id and row["stage"] != "sent" and not lacks_parts:
        return False
    try:
        if not file.upload_id:
            _ask_for_address(row, file)
        elif lacks_parts:
            _ask_for_parts(row, file)
        else:
            memory.finish_upload(session.api(), file.upload_id)
            file.ready = True
    except ApiProblem as problem:
        file.error = explain(problem)
    return True


def _ask_for_address(row: dict[str, Any], file: _File) -> None:
    answer = memory.begin_upload(session.api(), filename=row["name"], content_type=row["type"], size=int(row["size"]))
    file.upload_id = str(answer["id"])
    file.plan = {
        "upload": file.upload_id,
        "url": public_url(str(answer["url"])),
        "method": answer.get("method", "PUT"),
        "headers": answer.get("headers") or {},
        "round": 0,
    }
    if answer.get("parts"):
        file.plan |= _parts(answer)


def _lacks_parts(row: dict[str, Any], file: _File) -> bool:
    """Whether the browser waits for addresses that it has not been given yet."""
    return row["stage"] == "asking" and (file.plan is None or int(file.plan["round"]) <= int(row["round"]))


def _ask_for_parts(row: dict[str, Any], file: _File) -> None:
    answer = memory.missing_parts(session.api(), file.upload_id)
    begun = file.plan or {"upload": file.upload_id, "url": "parts", "method": "PUT", "headers": {}}
    file.plan = {**begun, "round": int(row["round"]) + 1, **_parts(answer)}


def _parts(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A large file's parts as the browser sends them."""
    parts = [
        {
            "number": part["number"],
            "url": public_url(str(part["url"])),
            "headers": part["headers"],
            "size": part["size"],
        }
        for part in answer["parts"]
    ]
    received = len(answer.get("received") or ())
    return {"size": answer["part_size"], "count": answer["part_count"], "received": received, "parts": parts}
