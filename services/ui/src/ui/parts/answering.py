"""An answer while it is written: what is going on, the text so far, and Stop."""

import time

import streamlit as st
from shared.contracts.conversation import Message

from ui.core import session, sse, talk
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.trouble import explain, explain_code
from ui.parts.browser import announce
from ui.parts.words import plain

# A browser shows some twenty paints a second comfortably; more only costs both sides.
_PAINT_S = 0.045
_SLOW_S = 10.0


def answering(*, running: Message | None = None, conversation_id: str = "", text: str = "", key: str = "") -> None:
    """Follow an answer that is running, or ask for one; ends by drawing the page from what the gateway stored."""
    if running is not None:
        stream = sse.Follow(f"/api/v1/streams/{running.stream_id}")
    else:
        path = f"/api/v1/conversations/{conversation_id}/messages"
        stream = sse.Follow(path, body={"content": text}, key=key)
        with st.container(key=f"question-{key}"):
            st.markdown(plain(text))
    _Answering(str(running.stream_id) if running else "").run(stream)


class _Answering:
    def __init__(self, stream_id: str) -> None:
        self._stream_id = stream_id
        self._text = ""
        self._painted = ""
        self._painted_at = 0.0
        self._stoppable = False
        self._began = time.monotonic()
        with st.container(key="answer-live", gap="small"):
            self._status = st.empty()
            self._paper = st.empty()
            self._stop = st.empty()
        self._status.markdown(f":material/search: {t('ask.searching')}")
        announce(t("ask.searching"), key="ask-began")

    def run(self, stream: sse.Follow) -> None:
        token = session.api().token
        if token is None:
            return
        self._offer_stop()
        try:
            for event in sse.follow([stream], token):
                if event is None:
                    self._wait()
                elif self._take(event):
                    return
        except ApiProblem as problem:
            if problem.status in range(400, 500) and problem.status != 429:
                asked()
            self._status.error(explain(problem), icon=":material/error:")
            self._stop.button(t("action.retry"), key="answer-retry", icon=":material/refresh:")

    def _take(self, event: sse.Event) -> bool:
        if event.type == "start":
            if not self._stream_id:
                asked()
            self._stream_id = str(event.data["stream_id"])
            self._offer_stop()
        elif event.type == "delta":
            self._text += str(event.data.get("text", ""))
            if time.monotonic() - self._painted_at >= _PAINT_S:
                self._paint()
        elif event.type in sse.TERMINAL:
            self._end(event)
            return True
        return False

    def _paint(self) -> None:
        if self._painted == self._text:
            return
        if not self._painted:
            self._status.empty()
        self._paper.markdown(streamed(self._text))
        self._painted, self._painted_at = self._text, time.monotonic()

    def _wait(self) -> None:
        """Nothing came for a moment: show what is left to show, count long waits, and let a press interrupt."""
        self._paint()
        st.session_state.get("pending")
        waited = int(time.monotonic() - self._began)
        if not self._text and waited >= _SLOW_S:
            self._status.markdown(f":material/hourglass_top: {t('ask.still', seconds=waited)}")

    def _offer_stop(self) -> None:
        """Once a stream is known; a stream that is resumed names itself again."""
        if not self._stream_id or self._stoppable:
            return
        self._stoppable = True
        self._stop.button(
            t("ask.stop"),
            key=f"stop-{self._stream_id}",
            icon=":material/stop_circle:",
            on_click=stop,
            args=(self._stream_id,),
        )

    def _end(self, event: sse.Event) -> None:
        self._paint()
        failed = event.type in ("error", "failed", "interrupted")
        code = str(event.data.get("code") or event.type)
        st.session_state["said"] = explain_code(code) if failed else t("ask.ended")
        st.rerun()


def asked() -> None:
    """The question is stored, or never will be: a rerun must not ask it again."""
    st.session_state.pop("pending", None)
    st.session_state.pop("pending-key", None)


def stop(stream_id: str) -> None:
    """Ask the gateway to end this answer; what was written so far stays."""
    try:
        talk.stop(session.api(), stream_id)
        st.session_state["said"] = t("ask.stopped")
    except ApiProblem as problem:
        st.toast(explain(problem), icon=":material/error:")


def streamed(text: str) -> str:
    """Text so far as Markdown that keeps only what a finished answer may have: bold, lists and markers."""
    escaped = plain(text)
    return escaped.replace("\\*\\*", "**").replace("\\- ", "- ").replace("\\`", "`")
