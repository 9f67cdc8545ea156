"""Asking once more before something is gone."""

from collections.abc import Callable

import streamlit as st

from ui.core.api import ApiProblem
from ui.core.i18n import maybe, t
from ui.core.trouble import show
from ui.parts import press


def confirm(name: str, action: Callable[[], None]) -> None:
    """Open a dialog with the texts `NAME.title`, `.text`, `.yes` and perhaps `.no`; `action` ends by rerunning or leaving the page."""

    @st.dialog(t(f"{name}.title"), on_dismiss="rerun")
    def ask() -> None:
        st.markdown(t(f"{name}.text"))
        with st.container(horizontal=True, horizontal_alignment="right"):
            if press.button(maybe(f"{name}.no") or t("action.cancel"), key=f"{name}-no"):
                st.rerun()
            sure = press.button(t(f"{name}.yes"), type="primary", key=f"{name}-yes")
        if sure:
            try:
                action()
            except ApiProblem as problem:
                show(problem, key=name, retry=False)

    ask()
