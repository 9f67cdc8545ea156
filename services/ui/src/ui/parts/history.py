"""Conversations by date, finding one, and what can be done with the one that is open."""

from datetime import timedelta
from typing import Any

import streamlit as st
from shared.contracts.conversation import Conversation

from ui.core import session, talk, when
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.trouble import explain
from ui.parts import nav, press
from ui.parts.browser import announce, cards
from ui.parts.words import plain

_WANTED = "history-wanted"


def history(current: str) -> None:
    """The list in the sidebar, newest first under four headings."""
    with st.container(key="history", gap="small"):
        nav.link("ask", t("ask.new"), icon="add")
        wanted = str(st.session_state.get(_WANTED) or "").strip()
        try:
            rows = talk.conversations(session.api(), wanted=wanted).conversations
        except ApiProblem as problem:
            st.caption(explain(problem))
            return
        if rows or wanted:
            _search(wanted, len(rows))
        if rows:
            cards(_sections(rows, current), key="history-list", look="history")


def _search(wanted: str, found: int) -> None:
    st.text_input(
        t("ask.search"),
        type="search",
        placeholder=t("ask.search"),
        label_visibility="collapsed",
        max_chars=200,
        key=_WANTED,
    )
    if wanted:
        announce(t("ask.found", count=found), key="history")
    if wanted and not found:
        st.caption(t("ask.nothing_found"))


def _sections(rows: list[Conversation], current: str) -> list[dict[str, Any]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        item = {
            "href": nav.address("ask", c=row.id),
            "title": row.title or t("ask.untitled"),
            "current": str(row.id) == current,
        }
        grouped.setdefault(_age(row), []).append(item)
    return [{"heading": t(f"ask.age.{age}"), "items": items} for age, items in grouped.items()]


def _age(row: Conversation) -> str:
    day, now = when.local(row.updated_at).date(), when.today()
    if day >= now:
        return "today"
    if day == now - timedelta(days=1):
        return "yesterday"
    return "week" if day > now - timedelta(days=7) else "older"


def manage(conversation: Conversation) -> bool:
    """The title, and renaming and deleting behind one button; returns whether a dialog asks for more."""
    st.markdown(f"# {plain(conversation.title or t('ask.untitled'))}", anchors=False)
    with st.popover(t("ask.manage"), icon=":material/more_horiz:", key=f"manage-{conversation.id}"):
        with st.form(f"rename-{conversation.id}", border=False):
            title = st.text_input(
                t("ask.title"), value=conversation.title, max_chars=120, key=f"title-{conversation.id}"
            )
            if st.form_submit_button(t("ask.rename")) and title and title.strip():
                talk.rename(session.api(), str(conversation.id), title.strip())
                st.rerun()
        for form in ("markdown", "json"):
            # A new tab, which the browser closes again when it sees that a file comes.
            address = f"/export/{conversation.id}?format={form}"
            st.link_button(t(f"ask.export.{form}"), address, icon=":material/download:", key=f"export-{form}")
        if press.button(t("ask.delete"), icon=":material/delete:", key=f"forget-{conversation.id}"):
            _confirm(conversation)
            return True
    return False


def _confirm(conversation: Conversation) -> None:
    @st.dialog(t("ask.delete_title"), on_dismiss="rerun")
    def ask() -> None:
        st.markdown(t("ask.delete_text"))
        if press.button(t("ask.delete_now"), type="primary", key="forget-now"):
            talk.forget(session.api(), str(conversation.id))
            nav.go("ask")

    ask()
