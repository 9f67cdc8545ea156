"""Choosing between Korean and English."""

import uuid

import streamlit as st

from ui.core.i18n import LANGUAGES, language, words
from ui.parts.browser import session_command


def language_switch(*, key: str) -> None:
    """The two languages, each under its own name; a choice reloads the page in it."""
    chosen = st.segmented_control(
        f"{words('ko')['settings.language']} · {words('en')['settings.language']}",
        LANGUAGES,
        default=language(),
        required=True,
        format_func=lambda code: words(code)["language.own_name"],
        label_visibility="collapsed",
        key=key,
    )
    if chosen and chosen != language():
        session_command({"action": "language", "language": chosen, "nonce": uuid.uuid4().hex})
