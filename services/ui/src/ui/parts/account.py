"""Signed-in browsers, ending all of them, and leaving for good."""

import re
import uuid

import streamlit as st

from ui.core import identity, session, when
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.identity import UiSession
from ui.core.trouble import show
from ui.parts import press
from ui.parts.browser import session_command
from ui.parts.confirm import confirm
from ui.parts.words import plain

_BROWSERS = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = re.compile(r"Windows|Android|iPhone|iPad|Mac OS X|Linux")


def sessions() -> None:
    """Every browser that is signed in, this one first."""
    st.markdown(f"## {t('sessions.title')}", anchors=False)
    try:
        rows = identity.ui_sessions(session.api())
    except ApiProblem as problem:
        show(problem, key="sessions")
        return
    with st.container(border=True, key="card-sessions", gap="xsmall"):
        for row in sorted(rows, key=lambda row: not row.current):
            st.markdown(_line(row))
    if press.button(t("sessions.end_all"), icon=":material/logout:", key="sign-out-everywhere"):
        confirm("end_all", _end_all)


def leaving() -> bool:
    """Whether this browser is on its way out; it is shown the door."""
    if not st.session_state.pop("leave", False):
        return False
    session_command({"action": "end", "to": "/", "nonce": uuid.uuid4().hex})
    return True


def erasure() -> None:
    """Deleting one's account: with the password, and asked once more."""
    with st.expander(t("erase.section")):
        st.markdown(t("erase.what"))
        with st.form("erase", border=False):
            password = st.text_input(t("erase.password"), type="password", key="erase-password")
            asked = st.form_submit_button(t("erase.ask"), icon=":material/delete_forever:")
    if asked and password:
        confirm("erase", lambda: _erase(password))
    elif asked:
        st.error(t("erase.password_missing"), icon=":material/error:")


def _line(row: UiSession) -> str:
    here = f" :green-badge[{t('sessions.here')}]" if row.current else ""
    used = when.moment_name(row.last_used_at or row.created_at)
    return f"**{plain(browser_name(row.user_agent or '') or t('sessions.unknown'))}**{here}  \n:small[{t('sessions.used', at=plain(used))}]"


def browser_name(user_agent: str) -> str:
    """A browser and its system in two words, as far as its own name tells; else nothing."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = _SYSTEMS.search(user_agent)
    words = [word for word in (browser, system.group().replace("Mac OS X", "macOS") if system else "") if word]
    return " · ".join(words)


def _end_all() -> None:
    identity.end_everywhere(session.api())
    st.session_state["leave"] = True
    st.rerun()


def _erase(password: str) -> None:
    identity.erase(session.api(), password)
    st.session_state["leave"] = True
    st.rerun()
