"""Ask: a question over one's own entries, its answer as it is written, and where each claim stands."""

import streamlit as st
from shared.contracts.conversation import ConversationWithMessages

from ui.core import session, talk
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.trouble import show
from ui.parts import nav, press
from ui.parts.answer import final_answer, question
from ui.parts.answering import answering
from ui.parts.arriving import say
from ui.parts.history import history, manage

_SUGGESTIONS = ("recent", "feelings", "people")


def render() -> None:
    """The address names the conversation; everything shown is read from the gateway, so a reload loses nothing."""
    # First of all, so that nothing which fails below can lose what was typed.
    typed = st.chat_input(t("ask.placeholder"), key="ask-input", max_chars=4000)
    if typed and typed.strip():
        st.session_state["pending"] = typed.strip()
    conversation = _read(nav.asked("c"))
    with st.sidebar:
        history(str(conversation.id) if conversation else "")
    asked = _heading(conversation)
    say()
    if conversation is None and "pending" not in st.session_state:
        _suggest()
        return
    _conversation(conversation, answering_now=not asked)


def _read(conversation_id: str) -> ConversationWithMessages | None:
    if not conversation_id:
        return None
    try:
        return talk.conversation(session.api(), conversation_id)
    except ApiProblem as problem:
        if problem.status != 404:
            raise
        st.warning(t("ask.gone"), icon=":material/search_off:")
        return None


def _heading(conversation: ConversationWithMessages | None) -> bool:
    """The title and what is behind it; returns whether a dialog asks for more."""
    if conversation is None:
        st.markdown(f"# {t('nav.ask')}", anchors=False)
        return False
    with st.container(horizontal=True, vertical_alignment="center", key="ask-head"):
        return manage(conversation)


def _suggest() -> None:
    """The empty state: what can be asked, as three questions to press."""
    st.markdown(t("ask.empty"))
    with st.container(key="suggestions", gap="small"):
        for name in _SUGGESTIONS:
            if press.button(t(f"ask.suggestion.{name}"), icon=":material/arrow_outward:", key=f"suggest-{name}"):
                st.session_state["pending"] = t(f"ask.suggestion.{name}")
                st.rerun()


def _conversation(conversation: ConversationWithMessages | None, *, answering_now: bool) -> None:
    """What was said. A dialog is heard only by a run that has ended: an answer goes on unseen until it is closed."""
    messages = conversation.messages if conversation else ()
    running = None
    for message in messages:
        if message.role == "user":
            question(message)
        elif talk.is_running(message):
            running = message
        else:
            final_answer(message)
    if not answering_now:
        return
    if running is not None:
        answering(running=running)
    elif "pending" in st.session_state:
        _send(conversation)


def _send(conversation: ConversationWithMessages | None) -> None:
    text: str = st.session_state["pending"]
    key: str = st.session_state.setdefault("pending-key", session.new_key())
    try:
        conversation_id = str(conversation.id) if conversation else talk.begin(session.api(), f"{key}-c")
    except ApiProblem as problem:
        show(problem, key="begin")
        return
    if conversation is None:
        st.query_params["c"] = conversation_id
    answering(conversation_id=conversation_id, text=text, key=key)
