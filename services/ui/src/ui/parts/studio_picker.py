"""Choosing stored photos, and bringing new ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import streamlit as st

from ui.core import session, studio, when
from ui.core.api import ApiProblem
from ui.core.i18n import language, t
from ui.core.studio import FileFilter, StoredFile, StoredFiles
from ui.core.trouble import show
from ui.parts.browser import photo_picker
from ui.parts.cards import media_address
from ui.parts.studio_words import count
from ui.parts.uploads import Files, choose_files, chosen_files

JOB_FILES = "job"
_MOST_NEW = 200
_PAGE = 48
_WORDS = ("page", "clear", "list", "previous", "next")


@dataclass(frozen=True)
class Choice:
    """The photos for a job: by their ids, or everything that matches a filter. `waiting` are still on their way."""

    inputs: tuple[str, ...] | FileFilter
    count: int
    waiting: int = 0


def choose_photos(space_id: str, chosen_before: tuple[str, ...], *, mine: bool, key: str) -> Choice:
    """Pages and filters do not end a choice; what is sent now is part of it as soon as it is there.

    What is sent goes to one's own space, so it is offered there only: a job takes files of its own space.
    """
    files = _new_files() if mine else Files()
    narrowed = _filters(space_id, key)
    pages = _pages(key, narrowed)
    try:
        page = studio.stored_files(session.api(), narrowed, size=_PAGE, page_token=pages[-1])
    except ApiProblem as problem:
        show(problem, key="photos")
        return Choice(files.ready, len(files.ready), files.waiting)
    st.session_state[f"{key}-next"] = page.next_page_token
    if not page.uploads and len(pages) == 1 and not _is_narrowed(narrowed):
        st.caption(t("studio.no_photos"))
        return Choice(files.ready, len(files.ready), files.waiting)
    data = _data(page, pages, narrowed, chosen_before, files.ready)
    selection = photo_picker(data, key=key, on_turn=lambda: _turn(key))
    return _choice(selection, narrowed, data["total"], files.waiting)


def _new_files() -> Files:
    if choose_files("photo", into=JOB_FILES, most=_MOST_NEW):
        st.rerun()
    return chosen_files(JOB_FILES, st.session_state.to_dict())


def _filters(space_id: str, key: str) -> FileFilter:
    with st.container(horizontal=True, key=f"{key}-filters", vertical_alignment="bottom"):
        name = st.text_input(t("studio.by_name"), key=f"{key}-name", max_chars=200, width=240)
        first = _day("since", key)
        last = _day("until", key)
    since = when.day_bounds(first, first)[0] if first else ""
    until = when.day_bounds(last, last)[1] if last else ""
    return FileFilter(space_id, (name or "").strip(), since, until)


def _day(name: str, key: str) -> date | None:
    """A whole day of the person's own time zone."""
    return st.date_input(t(f"studio.{name}"), value=None, key=f"{key}-{name}", format="YYYY/MM/DD", width=190)


def _is_narrowed(narrowed: FileFilter) -> bool:
    return bool(narrowed.name or narrowed.since or narrowed.until)


def _pages(key: str, narrowed: FileFilter) -> list[str]:
    """The tokens of the pages up to the one shown; another filter begins anew."""
    slot = f"{key}-pages"
    if st.session_state.get(f"{key}-filter") != narrowed:
        st.session_state[f"{key}-filter"] = narrowed
        st.session_state[slot] = [""]
    pages: list[str] = st.session_state[slot]
    return pages


def _turn(key: str) -> None:
    pages: list[str] = st.session_state[f"{key}-pages"]
    following = st.session_state.get(f"{key}-next")
    match (st.session_state.get(key) or {}).get("turn"):
        case "next" if following:
            pages.append(following)
        case "previous" if len(pages) > 1:
            pages.pop()


def _data(
    page: StoredFiles, pages: list[str], narrowed: FileFilter, before: tuple[str, ...], fresh: tuple[str, ...]
) -> dict[str, Any]:
    first = (len(pages) - 1) * _PAGE
    last = first + len(page.uploads)
    total = page.total if page.total is not None else last
    words = {name: t(f"studio.pick_{name}") for name in _WORDS}
    words |= {"chosen": t("studio.pick_chosen"), "all": t("studio.pick_all"), "language": language()}
    words["range"] = t("studio.range_of", first=count(first + 1), last=count(last), total=count(total))
    return {
        "items": [_item(row) for row in page.uploads],
        "total": total,
        "previous": len(pages) > 1,
        "next": bool(page.next_page_token),
        "filter": "|".join(narrowed.conditions().values()) + narrowed.space_id,
        "choose": list(before),
        "add": list(fresh),
        "words": words,
    }


def _item(row: StoredFile) -> dict[str, Any]:
    src = media_address(row.thumbnail_url or row.content_url)
    return {
        "id": str(row.id),
        "name": row.filename,
        "src": src,
        "meta": when.day_name(when.local(row.created_at).date()),
    }


def _choice(selection: Mapping[str, Any], narrowed: FileFilter, total: int, waiting: int) -> Choice:
    if selection["all"]:
        left_out = set(selection["except"])
        if not left_out:
            return Choice(narrowed, total, waiting)
        ids = tuple(one for one in _every(narrowed) if one not in left_out)
        return Choice(ids, len(ids), waiting)
    ids = tuple(selection["ids"])
    return Choice(ids, len(ids), waiting)


def _every(narrowed: FileFilter) -> list[str]:
    """The ids of everything that matches."""
    found: list[str] = []
    token = ""
    while True:
        page = studio.stored_files(session.api(), narrowed, size=500, page_token=token)
        found += [str(row.id) for row in page.uploads]
        token = page.next_page_token or ""
        if not token:
            return found
