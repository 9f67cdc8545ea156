"""Who is there: signing in, and signing up."""

import uuid

import streamlit as st

from ui.core import identity
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.trouble import explain
from ui.parts import press
from ui.parts.browser import session_command
from ui.parts.language import language_switch
from ui.parts.marks import LOGO


def render() -> None:
    """One card; the address stays as it was, so that signing in shows the page that was asked for."""
    with st.container(key="sign-in", gap="medium"):
        st.image(str(LOGO), width=148, alt="Maru")
        signing_up = st.session_state.get("signing-up", False)
        st.markdown(f"# {t('sign_up.title' if signing_up else 'sign_in.title')}", anchors=False)
        st.markdown(t("sign_in.promise"))
        _form(signing_up=signing_up)
        _other_way(signing_up=signing_up)
        language_switch(key="sign-in-language")


def _form(*, signing_up: bool) -> None:
    with st.form("identity", border=False):
        name = st.text_input(t("sign_in.name"), autocomplete="name", key="sign-in-name") if signing_up else None
        email = st.text_input(t("sign_in.email"), type="email", autocomplete="username", key="sign-in-email")
        password = st.text_input(
            t("sign_in.password"),
            type="password",
            autocomplete="new-password" if signing_up else "current-password",
            help=None,
            key="sign-in-password",
        )
        if signing_up:
            st.caption(t("sign_up.password_hint"))
        label = t("sign_up.submit" if signing_up else "sign_in.submit")
        pressed = st.form_submit_button(label, type="primary", width="stretch")
    if pressed:
        _open(email, password, name)


def _open(email: str | None, password: str | None, name: str | None) -> None:
    if not email or not password:
        st.error(t("sign_in.missing"), icon=":material/error:")
        return
    try:
        ticket = identity.ticket(
            email.strip(), password, name=name, user_agent=st.context.headers.get("User-Agent") or ""
        )
    except ApiProblem as problem:
        st.error(explain(problem), icon=":material/error:")
        return
    with st.container(key="opening"):
        st.markdown(t("sign_in.opening"))
    failed = session_command({"action": "open", "ticket": ticket, "nonce": uuid.uuid4().hex})
    if failed:
        st.error(t("problem.session"), icon=":material/error:")


def _other_way(*, signing_up: bool) -> None:
    label = t("sign_up.have_account" if signing_up else "sign_in.no_account")
    if press.button(label, type="tertiary", key="other-way"):
        st.session_state["signing-up"] = not signing_up
        st.rerun()
