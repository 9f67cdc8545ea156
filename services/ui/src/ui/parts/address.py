"""Widgets whose value lives in the page's address, so that a view can be reloaded, linked and gone back to."""

from collections.abc import Sequence

import streamlit as st


def bound(name: str, allowed: Sequence[str] | None = None, default: str = "") -> str:
    """Set the widget's state from the address and return its key; give the widget `on_change=keep, args=(name,)`."""
    asked = st.query_params.get(name, default)
    key = f"address-{name}"
    st.session_state[key] = asked if allowed is None or asked in allowed else default
    return key


def keep(name: str) -> None:
    """Write the widget's new value into the address; an empty one leaves it."""
    value = st.session_state.get(f"address-{name}") or ""
    if value:
        st.query_params[name] = str(value)
    else:
        st.query_params.pop(name, None)
