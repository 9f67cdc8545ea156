"""Every job, the latest first."""

from typing import Any, get_args

import streamlit as st
from shared.contracts.studio import Job, JobStatus

from ui.core import session, studio, when
from ui.core.api import ApiProblem
from ui.core.i18n import language, t
from ui.core.trouble import show
from ui.parts import nav, press
from ui.parts.arriving import say
from ui.parts.browser import job_list
from ui.parts.studio_form import runner_title
from ui.parts.studio_words import is_active

_PAGE = 20
_MOST = 200
_EVERY_MS = 3000


def jobs_page() -> None:
    """The list, or what Studio is for while there is no job."""
    st.markdown(f"# {t('nav.studio')}", anchors=False)
    say()
    place = st.container(key="studio-new")
    _listed(place)


def _listed(place: Any) -> None:
    size = min(int(st.session_state.get("jobs-size", _PAGE)), _MOST)
    try:
        page = studio.jobs(session.api(), size=size)
    except ApiProblem as problem:
        _begin(place)
        show(problem, key="jobs")
        return
    if not page.jobs:
        with st.container(border=True, key="card-studio-empty", gap="medium"):
            st.markdown(t("studio.empty"))
            _begin(st.container(key="studio-first"))
        return
    _begin(place)
    st.session_state["jobs-fresh"] = True
    _cards(page.jobs)
    if page.next_page_token and size < _MOST:
        st.button(t("journal.more"), icon=":material/expand_more:", key="jobs-more", on_click=_grow)


def _begin(place: Any) -> None:
    with place:
        if press.button(t("studio.new"), type="primary", icon=":material/add:", key="studio-begin"):
            nav.go("studio", new=1)


def _grow() -> None:
    st.session_state["jobs-size"] = int(st.session_state.get("jobs-size", _PAGE)) + _PAGE


@st.fragment
def _cards(first: list[Job]) -> None:
    """Drawn from what the page read; while a job runs, this part alone reads again."""
    rows = first
    if not st.session_state.pop("jobs-fresh", False):
        try:
            rows = studio.jobs(session.api(), size=max(len(first), 1)).jobs
        except ApiProblem:
            # What was shown stays; the next look may succeed.
            rows = first
    words: dict[str, Any] = {status: t(f"job.{status}") for status in get_args(JobStatus)}
    words |= {"language": language(), "progress": t("studio.progress")}
    data = {
        "jobs": [_card(job) for job in rows],
        "words": words,
        "every": _EVERY_MS if any(is_active(job) for job in rows) else 0,
    }
    job_list(data, key="job-list")


def _card(job: Job) -> dict[str, Any]:
    return {
        "href": nav.address("studio", job=job.id),
        "name": job.name,
        "runner": runner_title(job.runner),
        "status": job.status,
        "counts": job.counts.model_dump(),
        "total": job.total,
        "cost_micros": job.cost_micros,
        "run_s": job.run_s,
        "when": when.moment_name(job.submitted_at or job.created_at),
    }
