"""The people that entries are about."""

from functools import partial

import streamlit as st

from ui.core import household, session
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.trouble import show
from ui.parts import circle as around_me
from ui.parts import press
from ui.parts.circle import Circle
from ui.parts.confirm import confirm
from ui.parts.words import plain


def people(around: Circle) -> None:
    """The list, each with its removal, and a form for one more."""
    st.markdown(f"## {t('people.title')}", anchors=False)
    st.caption(t("people.text"))
    if around.people:
        with st.container(border=True, key="card-people", gap="xsmall"):
            for person in around.people:
                with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                    details = " · ".join(filter(None, (person.relation, str(person.birth_date or ""))))
                    st.markdown(f"**{plain(person.name)}** :small[{plain(details)}]")
                    label = t("people.remove", name=person.name)
                    if press.button(label, type="tertiary", icon=":material/close:", key=f"person-{person.id}"):
                        confirm("remove_person", partial(_remove, str(person.id)))
    with st.expander(t("people.add"), icon=":material/person_add:", key="add-person"):
        _form(around)


def _form(around: Circle) -> None:
    with st.form("person", border=False, clear_on_submit=True):
        name = st.text_input(t("people.name"), max_chars=80)
        relation = st.text_input(t("people.relation"), max_chars=80, placeholder=t("people.relation_example"))
        born = st.date_input(
            t("people.birth_date"), value=None, min_value=around_me.EARLIEST_BIRTH, format="YYYY/MM/DD"
        )
        names = {space.id: t("space.personal") if space.kind == "personal" else space.name for space in around.writable}
        space = st.selectbox(t("compose.space"), list(names), format_func=names.__getitem__)
        pressed = st.form_submit_button(t("people.save"))
    if not pressed:
        return
    if not name or not name.strip():
        st.warning(t("people.name_missing"), icon=":material/person:")
        return
    fields: dict[str, str] = {"name": name.strip(), "space_id": str(space)}
    if relation and relation.strip():
        fields["relation"] = relation.strip()
    if born is not None:
        fields["birth_date"] = born.isoformat()
    try:
        household.add_person(session.api(), fields, session.new_key())
    except ApiProblem as problem:
        show(problem, key="person", retry=False)
        return
    _done()


def _remove(person_id: str) -> None:
    household.remove_person(session.api(), person_id)
    _done()


def _done() -> None:
    around_me.changed()
    st.session_state["said"] = t("settings.saved")
    st.rerun()
