"""One entry: its text, files and insights, and the passage that a citation points to."""

import streamlit as st
from shared.contracts.memory import Entry

from ui.core import memory, session, when
from ui.core.i18n import t
from ui.core.trouble import explain_code
from ui.parts import nav, press
from ui.parts.arriving import arriving, follow, say
from ui.parts.browser import attachments, reader
from ui.parts.cards import headline, media_address
from ui.parts.circle import Circle, circle
from ui.parts.confirm import confirm
from ui.parts.insight_card import insight_card
from ui.parts.words import plain


def render() -> None:
    entry_id = nav.asked("id")
    nav.link("journal", t("entry.back"), icon="arrow_back")
    if not entry_id:
        st.info(t("entry.none"), icon=":material/article:")
        return
    entry = memory.entry(session.api(), entry_id)
    around = circle()
    space = around.space(entry.space_id)
    writable = space is not None and space.role != "viewer"
    st.markdown(f"# {plain(headline(entry))}", anchors=False)
    st.caption(plain(_about(entry, around)))
    say()
    _trouble(entry, writable=writable)
    arrivals = arriving([entry])
    _files(entry)
    _text(entry)
    asked = insight_card(entry, writable=writable)
    asked = (writable and _actions(entry)) or asked
    # A dialog is heard only by a run that has ended, and the page that is drawn anew closes it.
    if not asked:
        follow(arrivals)


def _about(entry: Entry, around: Circle) -> str:
    space = around.space(entry.space_id)
    shared = space is not None and space.id != around.me.personal_space_id
    parts = [
        when.moment_name(entry.occurred_at),
        t(f"kind.{entry.kind}"),
        around.person_name(entry.person_id),
        space.name if space is not None and shared else "",
    ]
    return " · ".join(part for part in parts if part)


def _trouble(entry: Entry, *, writable: bool) -> None:
    """A failed entry says why, what is safe, and offers another try."""
    if entry.status != "failed":
        return
    cause = explain_code(entry.error.code, "problem.unreadable") if entry.error else t("problem.unreadable")
    st.error(f"{cause} {t('entry.failed_safe')}", icon=":material/error:")
    if writable and press.button(t("action.retry"), icon=":material/refresh:", key="entry-retry"):
        memory.retry(session.api(), str(entry.id))
        st.rerun()


def _files(entry: Entry) -> None:
    items = [
        {
            "type": row.content_type,
            "name": row.filename,
            "src": media_address(row.content_url),
            "alt": t("entry.photo_alt", name=row.filename),
            "note": explain_code(row.error.code, "problem.unreadable") if row.error else "",
        }
        for row in entry.attachments
    ]
    if items:
        attachments(items, t("entry.open_file"), key=f"files-{entry.id}")


def _text(entry: Entry) -> None:
    """The body; a citation's offsets count in the version that it was made from, which may not be the newest."""
    start, end, version = (_number(nav.asked(name)) for name in ("start", "end", "v"))
    body = entry.body
    if end > start and version and version != entry.version:
        body = memory.version_text(session.api(), str(entry.id), version)
        st.info(t("entry.older_version"), icon=":material/history:")
    if body.strip():
        reader(body, key=f"body-{entry.id}", start=start, end=min(end, len(body)), label=t("entry.passage"))


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _actions(entry: Entry) -> bool:
    """What can be done with it; returns whether a dialog asks for more."""
    with st.container(horizontal=True, key="entry-actions"):
        if press.button(t("entry.edit"), icon=":material/edit_note:", key="entry-edit"):
            _edit(entry)
            return True
        if press.button(t("entry.delete"), icon=":material/delete:", type="tertiary", key="entry-delete"):
            confirm("delete_entry", lambda: _delete(str(entry.id)))
            return True
    return False


def _delete(entry_id: str) -> None:
    memory.remove(session.api(), entry_id)
    st.session_state["said"] = t("entry.deleted")
    nav.go("journal")


def _edit(entry: Entry) -> None:
    @st.dialog(t("entry.edit_title"), width="large", on_dismiss="rerun")
    def edit() -> None:
        with st.form("edit", border=False):
            title = st.text_input(t("compose.entry_title"), value=entry.title or "", max_chars=200)
            note = st.text_area(t(f"compose.label.{entry.kind}"), value=entry.note, height=260)
            pressed = st.form_submit_button(t("action.save"), type="primary")
        if pressed:
            _save(entry, (title or "").strip(), note or "")

    edit()


def _save(entry: Entry, title: str, note: str) -> None:
    if entry.kind == "note" and not note.strip():
        st.warning(t("compose.empty_note"), icon=":material/edit_note:")
        return
    fields = {}
    if title != (entry.title or ""):
        fields["title"] = title
    if note != entry.note:
        fields["body"] = note
    if fields:
        memory.change(session.api(), str(entry.id), fields)
    st.session_state["said"] = t("entry.saved")
    nav.go("entry", id=entry.id)
