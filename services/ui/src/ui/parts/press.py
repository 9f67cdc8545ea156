"""Presses that are not lost.

A press begins a run of the page, and a newer run may end that one before it has come to what was pressed; the framework
tells of a press only once. So a press is noted before anything is drawn, and the first run that comes to it takes it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import streamlit as st

_SLOT = "presses"
# Whoever pressed and saw nothing for so long has gone on to something else.
_FRESH_S = 20.0


@dataclass
class Presses:
    """What was pressed and not yet heard, on one page.

    Changed in place and reached without the session state: reading that lets a newer run end the one that notes.
    """

    page: str = ""
    noted: dict[str, tuple[Any, float]] = field(default_factory=dict)

    def note(self, key: str, value: Any = True) -> None:
        self.noted[key] = (value, time.monotonic())

    def take(self, key: str) -> Any:
        """What was pressed there, once, or None."""
        value, at = self.noted.pop(key, (None, 0.0))
        return value if time.monotonic() - at < _FRESH_S else None

    def turn_to(self, page: str) -> None:
        """A press on another page asks for nothing on this one."""
        if page != self.page:
            self.page = page
            self.noted.clear()


def presses() -> Presses:
    """Those of this page's session."""
    known: Presses = st.session_state.setdefault(_SLOT, Presses())
    return known


def button(
    label: str,
    *,
    key: str,
    icon: str | None = None,
    type: Literal["primary", "secondary", "tertiary"] = "secondary",  # noqa: A002
    width: Literal["content", "stretch"] = "content",
) -> bool:
    """A button as the framework has it, whose press is heard even if the run that it began was cut short."""
    heard = presses()
    pressed = st.button(label, key=key, icon=icon, type=type, width=width, on_click=heard.note, args=(key,))
    # In a process that began anew, a page's first press comes before its listener.
    return bool(heard.take(key)) or pressed


def listener(key: str, name: str) -> Callable[[], None]:
    """For a component's trigger `name`: notes what it says, for `heard`."""
    known = presses()

    def note() -> None:
        said = (st.session_state.to_dict().get(key) or {}).get(name)
        if said is not None:
            known.note(f"{key}.{name}", said)

    return note


def heard(key: str, name: str, said: Any) -> Any:
    """What a component's trigger says: `said` in the run that it began, else what an earlier run could not take up."""
    noted = presses().take(f"{key}.{name}")
    return noted if said is None else said
