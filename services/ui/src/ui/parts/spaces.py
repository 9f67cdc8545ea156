"""Spaces and who is in them."""

import streamlit as st
from shared.contracts.identity import Member, Space

from ui.core import household, session
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.trouble import show
from ui.parts import circle as around_me
from ui.parts import press
from ui.parts.circle import Circle
from ui.parts.words import plain

_ROLES = ("viewer", "editor", "owner")


def spaces(around: Circle) -> None:
    """Every space, shared ones with their members, and a form for a new one."""
    st.markdown(f"## {t('spaces.title')}", anchors=False)
    st.caption(t("spaces.text"))
    for space in around.me.spaces:
        name = t("space.personal") if space.kind == "personal" else plain(space.name)
        with st.container(border=True, key=f"card-space-{space.id}", gap="small"):
            st.markdown(f"**{name}** :gray-badge[{t(f'role.{space.role}')}]")
            if space.kind == "shared":
                _members(space, around)
    with st.expander(t("spaces.add"), icon=":material/group_add:", key="add-space"):
        _form()


def _members(space: Space, around: Circle) -> None:
    try:
        rows = household.members(session.api(), str(space.id))
    except ApiProblem as problem:
        show(problem, key=f"members-{space.id}")
        return
    for row in rows:
        _member(space, row, mine=row.user_id == around.me.user.id)
    if space.role == "owner":
        _invite(space)


def _member(space: Space, row: Member, *, mine: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        you = f" ({t('spaces.you')})" if mine else ""
        st.markdown(f"{plain(row.display_name or row.email)}{you} :gray-badge[{t(f'role.{row.role}')}]")
        removable = space.role == "owner" and not mine
        if removable and press.button(
            t("spaces.dismiss", name=row.email),
            type="tertiary",
            icon=":material/close:",
            key=f"dismiss-{space.id}-{row.user_id}",
        ):
            household.dismiss(session.api(), str(space.id), str(row.user_id))
            st.rerun()


def _invite(space: Space) -> None:
    with st.form(f"invite-{space.id}", border=False, clear_on_submit=True):
        email = st.text_input(t("spaces.invite_email"), type="email", key=f"invite-email-{space.id}")
        role = st.selectbox(
            t("spaces.role"), _ROLES, format_func=lambda name: t(f"role.{name}"), key=f"invite-role-{space.id}"
        )
        pressed = st.form_submit_button(t("spaces.invite"), icon=":material/person_add:")
    if pressed and email and email.strip():
        try:
            household.invite(session.api(), str(space.id), email.strip(), role)
        except ApiProblem as problem:
            show(problem, key=f"invite-{space.id}", retry=False)
            return
        st.rerun()


def _form() -> None:
    with st.form("space", border=False, clear_on_submit=True):
        name = st.text_input(t("spaces.name"), max_chars=80, placeholder=t("spaces.name_example"))
        pressed = st.form_submit_button(t("spaces.save"))
    if pressed and name and name.strip():
        try:
            household.add_space(session.api(), name.strip(), session.new_key())
        except ApiProblem as problem:
            show(problem, key="space", retry=False)
            return
        around_me.changed()
        st.session_state["said"] = t("settings.saved")
        st.rerun()
