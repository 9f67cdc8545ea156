"""The spaces and people of the person at this page, kept in their own session for a minute."""

import time
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import streamlit as st
from shared.contracts.identity import Me, Person, Space

from ui.core import household, memory, session

_FRESH_S = 60.0
_SLOT = "circle"
EARLIEST_BIRTH = date(1900, 1, 1)


@dataclass(frozen=True)
class Circle:
    me: Me
    people: list[Person]
    read_at: float

    def space(self, space_id: UUID) -> Space | None:
        return next((space for space in self.me.spaces if space.id == space_id), None)

    @property
    def writable(self) -> list[Space]:
        """Where this person may write."""
        return [space for space in self.me.spaces if space.role != "viewer"]

    def person_name(self, person_id: UUID | None) -> str:
        return next((person.name for person in self.people if person.id == person_id), "")


def circle() -> Circle:
    """Read, or take what was read a moment ago."""
    known: Circle | None = st.session_state.get(_SLOT)
    if known is not None and time.monotonic() - known.read_at < _FRESH_S:
        return known
    api = session.api()
    fresh = Circle(memory.me(api), household.people(api), time.monotonic())
    st.session_state[_SLOT] = fresh
    return fresh


def changed() -> None:
    """Read again at the next use, because this page changed a space or a person."""
    st.session_state.pop(_SLOT, None)
