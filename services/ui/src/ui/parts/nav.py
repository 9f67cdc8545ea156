"""Going from page to page; addresses carry what a page shows, so that every view can be linked and reloaded."""

from typing import NoReturn
from urllib.parse import urlencode
from uuid import UUID

import streamlit as st
from streamlit.navigation.page import Page

Value = str | int | UUID | None

ICONS = {
    "today": "wb_sunny",
    "journal": "auto_stories",
    "ask": "forum",
    "studio": "auto_awesome_motion",
    "settings": "tune",
    "admin": "monitoring",
    "entry": "article",
}


def pages() -> dict[str, Page]:
    """The pages of this run by name."""
    registered: dict[str, Page] = st.session_state["pages"]
    return registered


def address(name: str, **query: Value) -> str:
    """The address of a page as a link needs it."""
    given = {key: str(value) for key, value in query.items() if value not in (None, "")}
    path = "/" if name == "today" else f"/{name}"
    return f"{path}?{urlencode(given)}" if given else path


def go(name: str, **query: Value) -> NoReturn:
    """Show another page now."""
    given = {key: str(value) for key, value in query.items() if value not in (None, "")}
    st.switch_page(pages()[name], query_params=given)


def link(name: str, label: str, *, icon: str | None = None, **query: Value) -> None:
    """A link that stays in this tab."""
    given = {key: str(value) for key, value in query.items() if value not in (None, "")}
    shown = f":material/{icon or ICONS[name]}:"
    st.page_link(pages()[name], label=label, icon=shown, query_params=given or None)


def asked(name: str) -> str:
    """A value of the address, or an empty string."""
    return st.query_params.get(name, "")
