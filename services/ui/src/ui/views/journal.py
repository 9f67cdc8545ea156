"""Journal: writing, and everything written so far."""

import streamlit as st

from ui.core import memory, session
from ui.core.i18n import t
from ui.parts.arriving import arriving, follow, say
from ui.parts.cards import timeline
from ui.parts.circle import circle
from ui.parts.compose import compose


def render() -> None:
    st.markdown(f"# {t('nav.journal')}", anchors=False)
    say()
    compose()
    page = memory.list_entries(session.api(), memory.EntryFilter(), size=12)
    arrivals = arriving(page.entries)
    timeline(page.entries, circle(), key="timeline")
    follow(arrivals)
