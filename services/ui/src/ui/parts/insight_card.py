"""What was understood from an entry, and putting it right."""

from typing import Any, get_args

import streamlit as st
from shared.contracts.memory import Emotion, Entry, Insights

from ui.core import memory, session
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.trouble import show
from ui.parts import press
from ui.parts.browser import insights
from ui.parts.cards import emotion_name, tone_of


def insight_card(entry: Entry, *, writable: bool) -> bool:
    """Summary, topics, feelings, people and dates, with where they come from; returns whether they are put right now."""
    found = entry.insights
    if found is None:
        return False
    with st.container(border=True, key="card-insights", gap="small"):
        st.markdown(f"## {t('insights.title')}", anchors=False)
        insights(
            {"summary": found.summary, "groups": _groups(found), "origin": _origin(found)}, key=f"insights-{entry.id}"
        )
        if writable and press.button(t("insights.correct"), icon=":material/edit:", key="correct"):
            _dialog(str(entry.id), found)
            return True
    return False


def _groups(found: Insights) -> list[dict[str, Any]]:
    feelings = [
        {"text": emotion_name(e.label), "tone": tone_of(e.label), "share": round(e.score * 100)} for e in found.emotions
    ]
    groups = [
        ("insights.emotions", feelings),
        ("insights.topics", [{"text": f"#{topic}"} for topic in found.topics]),
        ("insights.people", [{"text": name, "tone": "blue"} for name in found.people]),
        ("insights.dates", [{"text": day} for day in found.dates]),
    ]
    return [{"name": t(name), "items": items} for name, items in groups if items]


def _origin(found: Insights) -> str:
    if found.corrected:
        names = ", ".join(t(f"insights.{name}") for name in found.corrected)
        return t("insights.corrected", fields=names)
    return t("insights.offline") if found.provider == "offline" else t("insights.by_model", model=found.model)


def _dialog(entry_id: str, found: Insights) -> None:
    @st.dialog(t("insights.correct_title"), on_dismiss="rerun")
    def correct() -> None:
        st.caption(t("insights.correct_text"))
        with st.form("correction", border=False):
            summary = st.text_area(t("insights.summary"), value=found.summary, max_chars=2000)
            emotions = st.multiselect(
                t("insights.emotions"),
                get_args(Emotion),
                default=[e.label for e in found.emotions],
                format_func=emotion_name,
                placeholder=t("insights.choose"),
            )
            topics = _list("topics", found.topics)
            people = _list("people", found.people)
            pressed = st.form_submit_button(t("action.save"), type="primary")
        if pressed:
            _save(entry_id, found, {"summary": summary, "topics": topics, "people": people, "emotions": emotions})

    correct()


def _list(name: str, values: list[str]) -> list[str]:
    text = st.text_input(f"{t(f'insights.{name}')} {t('insights.comma')}", value=", ".join(values))
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _save(entry_id: str, found: Insights, wanted: dict[str, Any]) -> None:
    """Send only what differs, so that everything else may still get better by itself."""
    scores: dict[str, float] = {e.label: e.score for e in found.emotions}
    wanted["emotions"] = [{"label": label, "score": scores.get(label, 1.0)} for label in wanted["emotions"]]
    before = found.model_dump(mode="json")
    changed = {name: value for name, value in wanted.items() if value != before[name]}
    try:
        if changed:
            memory.correct(session.api(), entry_id, changed)
    except ApiProblem as problem:
        show(problem, key="correct", retry=False)
        return
    st.session_state["said"] = t("insights.saved")
    st.rerun()
