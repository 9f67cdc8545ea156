"""Entries that are being understood: each step as it happens."""

from collections.abc import Sequence

import streamlit as st
from shared.contracts.memory import STEPS, Entry

from ui.core import session, sse
from ui.core.i18n import t
from ui.parts.browser import announce
from ui.parts.cards import headline
from ui.parts.words import plain

_MARK = {
    "done": ("green", "check"),
    "skipped": ("gray", "remove"),
    "running": ("orange", "pending"),
    "failed": ("red", "error"),
    "waiting": ("gray", "radio_button_unchecked"),
}


def arriving(entries: Sequence[Entry]) -> dict[str, "Arrival"]:
    """Show a strip for every entry still in work; call `follow` with the result when the page is drawn."""
    waiting = [entry for entry in entries if entry.status == "processing"]
    place = st.container(key="arrivals")
    if not waiting:
        return {}
    with place, st.container(key="arriving", gap="small"):
        st.markdown(f"**{t('arriving.title')}**")
        return {str(entry.id): Arrival(entry) for entry in waiting[:8]}


class Arrival:
    """One entry's strip: its name and its five steps."""

    def __init__(self, entry: Entry) -> None:
        self._states: dict[str, str] = dict.fromkeys(STEPS, "waiting")
        self._states |= {row.step: row.state for row in entry.steps}
        st.caption(plain(headline(entry)))
        self._line = st.empty()
        self._draw()

    def note(self, step: str, state: str) -> None:
        """Take up one step event."""
        if step in self._states and state in _MARK:
            self._states[step] = state
            self._draw()

    def _draw(self) -> None:
        marks = (
            f":{_MARK[state][0]}-badge[:material/{_MARK[state][1]}: {t(f'step.{step}')}]"
            for step, state in self._states.items()
        )
        self._line.markdown(" ".join(marks))


def follow(arrivals: dict[str, Arrival]) -> None:
    """Stay with the entries until one is understood, then draw the page again; any press interrupts this."""
    if not arrivals:
        return
    streams = [sse.Follow(f"/api/v1/entries/{entry_id}/events", source=entry_id) for entry_id in arrivals]
    token = session.api().token
    if token is None:
        return
    for event in sse.follow(streams, token):
        if event is None:
            st.session_state.get("composer")
        elif event.type == "step":
            arrivals[event.source].note(str(event.data.get("step")), str(event.data.get("state")))
        elif event.type in sse.TERMINAL:
            st.session_state["said"] = t("arriving.failed" if event.type == "failed" else "arriving.done")
            st.rerun()


def say() -> None:
    """Announce what happened before this run began.

    The place is taken in every run: what comes and goes above other elements would show them twice while a run lasts.
    """
    said = st.session_state.pop("said", None)
    with st.container(key="said"):
        if said:
            announce(said, key="said")
