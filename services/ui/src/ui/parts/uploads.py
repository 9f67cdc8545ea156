"""Files on their way: the browser sends them, this side only asks for addresses and confirms."""

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Files:
    """What is ready to be part of an entry, and how much is not yet."""

    ready: tuple[str, ...]
    waiting: int


def choose_files(kind: str, *, key: str) -> Files:
    """Show the picker of this kind and keep its uploads going."""
    slot = f"{key}-sent"
    st.session_state.setdefault(slot, {})
    known: dict[str, dict[str, Any]] = st.session_state[slot]
    data = {
        "name": key,
        "accept": _ACCEPT[kind],
        "icon": _ICONS[kind],
        "plan": {name: row["plan"] for name, row in known.items() if "plan" in row},
        "outcomes": {name: _outcome(row) for name, row in known.items()},
        "words": {
            word: t(f"files.{word}") for word in ("drop", "remove", "again", "ready", "checking", "broken", "list")
        }
        | {"choose": t(f"files.choose.{kind}"), "hint": t(f"files.hint.{kind}")},
    }
    file_picker(data, key=key, on_change=lambda: _advance(key, slot))
    present = [row["id"] for row in _reported(key)]
    ready = tuple(known[name]["upload_id"] for name in present if known.get(name, {}).get("ready"))
    return Files(ready, len(present) - len(ready))


def _reported(key: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (st.session_state.get(key) or {}).get("files") or []
    return rows


def _outcome(row: dict[str, Any]) -> dict[str, Any]:
    return {"ready": bool(row.get("ready")), "error": row.get("error")}


def _advance(key: str, slot: str) -> None:
    """Move every file one step on: an address for what was picked, a confirmation for what was sent."""
    known: dict[str, dict[str, Any]] = st.session_state[slot]
    for row in _reported(key):
        mine = known.setdefault(row["id"], {})
        try:
            if "plan" not in mine and "error" not in mine:
                _ask_for_address(row, mine)
            if row["stage"] == "sent" and not mine.get("ready") and "error" not in mine:
                memory.finish_upload(session.api(), mine["upload_id"])
                mine["ready"] = True
        except ApiProblem as problem:
            mine["error"] = explain(problem)


def _ask_for_address(row: dict[str, Any], mine: dict[str, Any]) -> None:
    answer = memory.begin_upload(session.api(), filename=row["name"], content_type=row["type"], size=int(row["size"]))
    mine["upload_id"] = str(answer["id"])
    mine["plan"] = {
        "url": public_url(str(answer["url"])),
        "method": answer.get("method", "PUT"),
        "headers": answer.get("headers") or {},
    }
