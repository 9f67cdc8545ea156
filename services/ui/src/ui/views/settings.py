"""Settings: language, people, spaces, and the browsers that are signed in."""

import streamlit as st

from ui.core.i18n import t
from ui.parts.account import erasure, leaving, sessions
from ui.parts.arriving import say
from ui.parts.circle import circle
from ui.parts.language import language_switch
from ui.parts.people import people
from ui.parts.spaces import spaces
from ui.parts.words import plain


def render() -> None:
    if leaving():
        return
    around = circle()
    st.markdown(f"# {t('nav.settings')}", anchors=False)
    st.caption(t("settings.account", email=plain(around.me.user.email)))
    say()
    st.markdown(f"## {t('settings.language')}", anchors=False)
    language_switch(key="settings-language")
    people(around)
    spaces(around)
    sessions()
    erasure()
