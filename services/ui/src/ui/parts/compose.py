"""Writing an entry."""

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import streamlit as st

from ui.core import memory, session, when
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.trouble import show
from ui.parts.cards import KIND_ICONS
from ui.parts.circle import Circle
from ui.parts.uploads import Files, choose_files, chosen_files, keep_files

_KINDS = ("note", "photo", "audio", "document")
_EMPTY: dict[str, Any] = {"compose-body": "", "compose-title": "", "compose-when": None}
_SLOT = "composer"
_TWICE_S = 2.0


@dataclass
class _Composer:
    """What is being written, until it is kept.

    Reading a key of the session state lets a newer run end the one that a press began, and after a cut line an old run
    still waits for the gateway beside the new. So a press works on a copy, changes this in place, and runs take turns.
    """

    draft: str = field(default_factory=session.new_key)
    pressed: bool = False
    problem: ApiProblem | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)
    kept_at: float = -math.inf
    cleared: bool = True
    heard: bool = False
    turn: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, page: Mapping[str, Any]) -> None:
        """Begin the next entry; `page` says what may be cleared."""
        self.draft = session.new_key()
        self.pressed = False
        self.kept = {key: page.get(key) for key in _EMPTY}
        self.kept_at = time.monotonic()
        self.cleared = False

    def is_pressed_twice(self, page: Mapping[str, Any], files: Files) -> bool:
        """Whether a press brings nothing new so soon after the last that it saw the page from before that."""
        nothing_new = all(page.get(key) in (self.kept.get(key), empty) for key, empty in _EMPTY.items())
        return nothing_new and files == Files() and time.monotonic() - self.kept_at < _TWICE_S


def compose(around: Circle) -> None:
    """The card in which an entry is written."""
    composer: _Composer = st.session_state.setdefault(_SLOT, _Composer())
    with composer.turn:
        cleared = composer.cleared
    if not cleared:
        _clear(composer.kept)
    with st.container(border=True, key="compose"):
        st.markdown(f"## {t('compose.title')}", anchors=False)
        kind = str(_choose_kind())
        st.text_area(
            t(f"compose.label.{kind}"),
            placeholder=t(f"compose.placeholder.{kind}"),
            label_visibility="collapsed",
            key="compose-body",
            height=112,
        )
        # One place for the picker, taken in every run: what lies below would else show twice while a run lasts.
        if kind == "note":
            st.empty()
        stale = kind != "note" and choose_files(kind)
        _details(around)
        pressed = st.button(
            t("compose.save"),
            type="primary",
            icon=":material/check:",
            key="compose-save",
            on_click=_press,
        )
        # In a process that began anew, a page's first press comes before its listener.
        if pressed and not composer.heard:
            _press()
            stale = True
        _tell(composer)
    if not cleared:
        # Not before: a run that a newer one ends before it has drawn leaves the clearing to that one.
        composer.cleared = True
        st.session_state["said"] = t("compose.saved")
    if stale:
        st.rerun()


def _clear(kept: Mapping[str, Any]) -> None:
    """Empty the fields, by value and not by new keys, but for one that holds something else by now."""
    for key, empty in _EMPTY.items():
        if st.session_state.get(key) == kept[key]:
            st.session_state[key] = empty


def _choose_kind() -> str | None:
    return st.segmented_control(
        t("compose.kind"),
        _KINDS,
        default="note",
        required=True,
        wrap=True,
        format_func=lambda name: f":material/{KIND_ICONS[name]}: {t(f'kind.{name}')}",
        label_visibility="collapsed",
        key="compose-kind",
    )


def _details(around: Circle) -> None:
    with st.expander(t("compose.details"), icon=":material/tune:", key="compose-details"):
        st.text_input(t("compose.entry_title"), key="compose-title", max_chars=200)
        left, right = st.columns(2)
        with left:
            space = _choose_space(around)
        with right:
            _choose_person(around, space)
        st.datetime_input(
            t("compose.when"), value=None, key="compose-when", help=None, format="YYYY/MM/DD", max_value=None
        )


def _choose_space(around: Circle) -> UUID:
    mine = around.me.personal_space_id
    names = {space.id: t("space.personal") if space.id == mine else space.name for space in around.writable}
    ids = list(names)
    index = ids.index(mine) if mine in names else 0
    chosen = st.selectbox(t("compose.space"), ids, index=index, format_func=names.__getitem__, key="compose-space")
    return chosen or mine


def _choose_person(around: Circle, space_id: UUID) -> None:
    names = {person.id: person.name for person in around.people if person.space_id == space_id}
    st.selectbox(
        t("compose.person"),
        list(names),
        index=None,
        placeholder=t("compose.nobody"),
        format_func=names.__getitem__,
        key=f"compose-person-{space_id}",
    )


def _here(at: datetime | None) -> datetime | None:
    """The chosen wall-clock time in the person's own zone."""
    return at.replace(tzinfo=when.zone()) if at is not None else None


def _draft(page: Mapping[str, Any], key: str, uploads: tuple[str, ...]) -> memory.Draft:
    space = page.get("compose-space")
    return memory.Draft(
        page["compose-kind"],
        (page.get("compose-body") or "").strip(),
        key,
        (page.get("compose-title") or "").strip(),
        str(space or ""),
        str(page.get(f"compose-person-{space}") or ""),
        _here(page.get("compose-when")),
        uploads,
    )


def _missing(kind: str, body: str, files: Files) -> str:
    """Why this cannot be kept yet, as a key of the catalogue, or nothing."""
    if kind == "note":
        return "" if body else "compose.empty_note"
    if files.failed:
        return "compose.failed_files"
    if files.waiting:
        return "compose.still_sending"
    return "" if files.ready else "compose.empty_files"


def _chosen(page: Mapping[str, Any]) -> Files:
    kind = page["compose-kind"]
    return chosen_files(kind, page) if kind != "note" else Files()


def _press() -> None:
    page = st.session_state.to_dict()
    composer: _Composer = page[_SLOT]
    with composer.turn:
        composer.heard = True
        _keep(composer, page)


def _keep(composer: _Composer, page: Mapping[str, Any]) -> None:
    files = _chosen(page)
    if composer.is_pressed_twice(page, files):
        return
    draft = _draft(page, composer.draft, files.ready)
    composer.pressed, composer.problem = True, None
    if _missing(draft.kind, draft.body, files):
        return
    try:
        memory.write(session.api(), draft)
    except ApiProblem as problem:
        composer.problem = problem
        return
    keep_files(files.ready, draft.kind, page)
    composer.keep(page)


def _tell(composer: _Composer) -> None:
    """What a press could not do, for as long as it could not do it now either."""
    if not composer.pressed:
        return
    if composer.problem is not None:
        show(composer.problem, key="compose", retry=False)
        return
    page = st.session_state.to_dict()
    files = _chosen(page)
    missing = _missing(page["compose-kind"], (page.get("compose-body") or "").strip(), files)
    if missing:
        st.warning(t(missing, count=files.waiting + files.failed), icon=":material/info:")
    else:
        composer.pressed = False
