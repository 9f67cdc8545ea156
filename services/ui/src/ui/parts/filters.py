"""What the journal is narrowed to."""

from typing import get_args

import streamlit as st
from shared.contracts.memory import Emotion, EntryKind

from ui.core.i18n import t
from ui.core.memory import EntryFilter
from ui.parts.address import bound, keep
from ui.parts.cards import emotion_name
from ui.parts.circle import Circle

_NAMES = ("kind", "emotion", "space", "person", "topic")


def filters(around: Circle) -> EntryFilter:
    """A popover with every filter, and one press to be rid of them; the address carries them all."""
    active = [name for name in _NAMES if st.query_params.get(name)]
    label = t("filter.active", count=len(active)) if active else t("filter.title")
    # Its widgets are made only once it is opened: they are a third of what this page would cost.
    popover = st.popover(label, icon=":material/filter_list:", key="filters", on_change="rerun")
    if popover.open:
        with popover:
            _choices(around, active=bool(active))
    given = st.query_params
    return EntryFilter(
        kind=given.get("kind", ""),
        topic=given.get("topic", ""),
        emotion=given.get("emotion", ""),
        person_id=given.get("person", ""),
        space_id=given.get("space", ""),
    )


def _choices(around: Circle, *, active: bool) -> None:
    _select("kind", {kind: t(f"kind.{kind}") for kind in get_args(EntryKind)})
    _select("emotion", {label: emotion_name(label) for label in get_args(Emotion)})
    _select("space", {str(space.id): _space_name(around, str(space.id)) for space in around.me.spaces})
    _select("person", {str(person.id): person.name for person in around.people})
    st.text_input(t("filter.topic"), key=bound("topic"), on_change=keep, args=("topic",), max_chars=80)
    if active:
        st.button(t("filter.clear"), icon=":material/filter_list_off:", on_click=_clear, key="filters-clear")


def _select(name: str, options: dict[str, str]) -> None:
    st.selectbox(
        t(f"filter.{name}"),
        ["", *options],
        format_func=lambda value: options[value] if value else t("filter.any"),
        key=bound(name, list(options)),
        on_change=keep,
        args=(name,),
    )


def _space_name(around: Circle, space_id: str) -> str:
    if space_id == str(around.me.personal_space_id):
        return t("space.personal")
    return next(space.name for space in around.me.spaces if str(space.id) == space_id)


def _clear() -> None:
    for name in _NAMES:
        st.query_params.pop(name, None)
