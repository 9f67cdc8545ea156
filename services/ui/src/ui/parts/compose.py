"""Writing an entry."""

import uuid
from datetime import datetime
from uuid import UUID

import streamlit as st

from ui.core import memory, session, when
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.trouble import show
from ui.parts.cards import KIND_ICONS
from ui.parts.circle import Circle
from ui.parts.uploads import Files, choose_files

_KINDS = ("note", "photo", "audio", "document")


def compose(around: Circle) -> None:
    """The card in which an entry is written; `draft` names what is being written until it is kept."""
    key = st.session_state.setdefault("draft", uuid.uuid4().hex)
    if st.session_state.pop("compose-clear", False):
        # Emptied here, not by new keys: a widget whose key goes stays visible for as long as the run lasts.
        st.session_state.update({"compose-body": "", "compose-title": "", "compose-when": None})
    with st.container(border=True, key="compose"):
        st.markdown(f"## {t('compose.title')}", anchors=False)
        kind = st.segmented_control(
            t("compose.kind"),
            _KINDS,
            default="note",
            required=True,
            wrap=True,
            format_func=lambda name: f":material/{KIND_ICONS[name]}: {t(f'kind.{name}')}",
            label_visibility="collapsed",
            key="compose-kind",
        )
        body = st.text_area(
            t(f"compose.label.{kind}"),
            placeholder=t(f"compose.placeholder.{kind}"),
            label_visibility="collapsed",
            key="compose-body",
            height=112,
        )
        files = choose_files(str(kind), key=f"files-{kind}-{key}") if kind != "note" else Files((), 0)
        draft = _details(around, str(kind), body or "", files, key)
        _save(draft, files)


def _details(around: Circle, kind: str, body: str, files: Files, key: str) -> memory.Draft:
    with st.expander(t("compose.details"), icon=":material/tune:", key="compose-details"):
        title = st.text_input(t("compose.entry_title"), key="compose-title", max_chars=200)
        left, right = st.columns(2)
        with left:
            space = _choose_space(around)
        with right:
            person = _choose_person(around, space)
        at = st.datetime_input(
            t("compose.when"), value=None, key="compose-when", help=None, format="YYYY/MM/DD", max_value=None
        )
    return memory.Draft(
        kind, body.strip(), key, (title or "").strip(), str(space), str(person or ""), _here(at), files.ready
    )


def _choose_space(around: Circle) -> UUID:
    mine = around.me.personal_space_id
    names = {space.id: t("space.personal") if space.id == mine else space.name for space in around.writable}
    ids = list(names)
    index = ids.index(mine) if mine in names else 0
    chosen = st.selectbox(t("compose.space"), ids, index=index, format_func=names.__getitem__, key="compose-space")
    return chosen or mine


def _choose_person(around: Circle, space_id: UUID) -> UUID | None:
    names = {person.id: person.name for person in around.people if person.space_id == space_id}
    return st.selectbox(
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


def _save(draft: memory.Draft, files: Files) -> None:
    if not st.button(t("compose.save"), type="primary", icon=":material/check:", key="compose-save"):
        return
    if files.waiting:
        st.warning(t("compose.still_sending", count=files.waiting), icon=":material/hourglass_top:")
    elif draft.kind == "note" and not draft.body:
        st.warning(t("compose.empty_note"), icon=":material/edit_note:")
    elif draft.kind != "note" and not draft.uploads:
        st.warning(t("compose.empty_files"), icon=":material/attach_file:")
    else:
        _write(draft)


def _write(draft: memory.Draft) -> None:
    try:
        memory.write(session.api(), draft)
    except ApiProblem as problem:
        show(problem, key="compose", retry=False)
        return
    st.session_state["draft"] = uuid.uuid4().hex
    st.session_state["compose-clear"] = True
    st.session_state["said"] = t("compose.saved")
    st.rerun()
