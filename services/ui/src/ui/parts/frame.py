"""The frame around every page: registration and the sidebar."""

import uuid
from collections.abc import Callable

import streamlit as st
from streamlit.navigation.page import Page

from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.parts import nav, press
from ui.parts.browser import session_command
from ui.parts.circle import circle
from ui.parts.marks import LOGO
from ui.views import admin, ask, entry, journal, settings, studio, today

_VIEWS: dict[str, Callable[[], None]] = {
    "today": today.render,
    "journal": journal.render,
    "ask": ask.render,
    "studio": studio.render,
    "settings": settings.render,
    "admin": admin.render,
    "entry": entry.render,
}
_GROUPS = (
    ("nav.main", ("today", "journal", "ask")),
    ("nav.create", ("studio",)),
    ("nav.manage", ("settings", "admin")),
)


def register() -> Page:
    """Register every page and return the one that the address asks for.

    Pages get no icon here: the framework would load it as the tab's icon from another origin.
    """
    st.session_state["pages"] = {
        name: st.Page(view, title=f"{t(f'nav.{name}')} · Maru", url_path=name, default=name == "today")
        for name, view in _VIEWS.items()
    }
    return st.navigation(list(nav.pages().values()), position="hidden")


def sidebar() -> None:
    """The groups of pages, and the way out."""
    st.logo(str(LOGO), size="large")
    hidden = () if _administers() else ("admin",)
    with st.sidebar:
        for heading, names in _GROUPS:
            with st.container(key=heading.replace(".", "-"), gap="xxsmall"):
                st.caption(t(heading))
                for name in names:
                    if name not in hidden:
                        nav.link(name, t(f"nav.{name}"))
        with st.container(key="nav-extra"):
            pass
        if press.button(t("nav.sign_out"), type="tertiary", icon=":material/logout:", key="sign-out"):
            session_command({"action": "end", "to": "/", "nonce": uuid.uuid4().hex})


def _administers() -> bool:
    """Whether to offer administration; what may be seen there is the gateway's to say."""
    try:
        return circle().me.user.is_admin
    except ApiProblem:
        return False
