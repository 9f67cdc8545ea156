"""One job: its progress as it happens, what can be done about it, and its results."""

from functools import partial
from typing import Any, get_args

import streamlit as st
from shared.contracts.studio import Job, JobStatus, TaskStatus

from ui.core import session, studio, when
from ui.core.api import ApiProblem
from ui.core.i18n import language, t
from ui.core.studio import TaskPage, Workers
from ui.core.trouble import explain, show
from ui.parts import nav
from ui.parts.arriving import say
from ui.parts.browser import announce, job_board
from ui.parts.studio_commands import commands
from ui.parts.studio_filing import filing
from ui.parts.studio_form import runner_title
from ui.parts.studio_tasks import task_data
from ui.parts.studio_words import count, is_active
from ui.parts.studio_workers import crew, nobody_works
from ui.parts.words import plain

_PAGE = 60
_WORDS = (
    "progress", "show", "list", "nothing", "crew", "of", "worked", "cost", "all", "before", "after", "slide", "slid",
    "lines", "attempts", "close", "download", "before_one", "next_one", "previous", "next",
)  # fmt: skip


def job_page(job_id: str) -> None:
    """Another person's job, and one that never was, are the same nothing."""
    nav.link("studio", t("studio.back"), icon="arrow_back")
    try:
        job = studio.job(session.api(), job_id)
    except ApiProblem as problem:
        if problem.status not in (404, 422):
            raise
        st.warning(t("studio.gone"), icon=":material/search_off:")
        return
    st.markdown(f"# {plain(job.name)}", anchors=False)
    st.caption(plain(" · ".join([runner_title(job.runner), when.moment_name(job.submitted_at or job.created_at)])))
    say()
    st.session_state["job-fresh"] = True
    _live(job)


@st.fragment
def _live(drawn: Job) -> None:
    """What changes while a job runs. The browser hears events by itself and asks for this part alone when it needs more."""
    job_id = str(drawn.id)
    try:
        job, page, workers = _read(job_id, drawn)
        st.session_state["job-read"] = (job, page, workers)
    except ApiProblem as problem:
        known = st.session_state.get("job-read")
        if known is None or known[0].id != drawn.id:
            show(problem, key="job")
            return
        job, page, workers = known
        show(problem, key="job")
    _told(job)
    if is_active(job):
        nobody_works(workers, job)
    commands(job)
    if not is_active(job):
        filing(job)
    _board(job, page, workers)


def _read(job_id: str, drawn: Job) -> tuple[Job, TaskPage, Workers | None]:
    """A run of the whole page has just read the job itself."""
    api = session.api()
    job = drawn if st.session_state.pop("job-fresh", False) else studio.job(api, job_id)
    pages = _pages(job_id)
    page = studio.tasks(api, job_id, status=_shown(job_id), size=_PAGE, page_token=pages[-1])
    return job, page, crew() if is_active(job) else None


def _told(job: Job) -> None:
    """Say once, aloud and in words, that a job has ended."""
    slot = f"job-told-{job.id}"
    before = st.session_state.get(slot)
    st.session_state[slot] = job.status
    if before and before != job.status and not is_active(job):
        announce(t("studio.ended", status=t(f"job.{job.status}")), key=f"job-{job.id}")


def _key(job_id: str) -> str:
    return f"job-{job_id}"


def _pages(job_id: str) -> list[str]:
    """The tokens of the pages up to the one shown; the first page has none."""
    pages: list[str] = st.session_state.setdefault(f"job-pages-{job_id}", [""])
    return pages


def _shown(job_id: str) -> str:
    return str(st.session_state.get(f"job-show-{job_id}", ""))


def _board(job: Job, page: TaskPage, workers: Workers | None) -> None:
    job_id = str(job.id)
    pages = _pages(job_id)
    st.session_state[f"job-next-{job_id}"] = page.next_page_token
    first = (len(pages) - 1) * _PAGE
    last = first + len(page.tasks)
    data: dict[str, Any] = {
        "id": job_id,
        "stream": str(job.stream_id or ""),
        "live": f"/live/api/v1/jobs/{job_id}/events" if is_active(job) and job.stream_id else None,
        "status": job.status,
        "counts": job.counts.model_dump(),
        "total": job.total,
        "cost_micros": job.cost_micros,
        "run_s": job.run_s,
        "workers": {"online": workers.online, "busy": workers.busy} if workers and workers.online else None,
        "tasks": [task_data(task) for task in page.tasks],
        "show": _shown(job_id),
        "range": t("studio.range", first=count(first + 1), last=count(last)),
        "previous": len(pages) > 1,
        "next": bool(page.next_page_token),
        "words": _words(),
    }
    listeners = {name: partial(act, job_id) for name, act in (("show", _show), ("turn", _turn), ("retry", _retry))}
    job_board(data, key=_key(job_id), on_change=listeners)


def _words() -> dict[str, str]:
    words = {name: t(f"studio.{name}") for name in _WORDS}
    words |= {status: t(f"job.{status}") for status in (*get_args(JobStatus), *get_args(TaskStatus))}
    return words | {"language": language(), "retry": t("studio.retry_one")}


def _heard(job_id: str, name: str) -> str:
    return str((st.session_state.get(_key(job_id)) or {}).get(name) or "")


def _show(job_id: str) -> None:
    chosen = _heard(job_id, "show")
    if chosen:
        st.session_state[f"job-show-{job_id}"] = "" if chosen == "all" else chosen
        st.session_state[f"job-pages-{job_id}"] = [""]


def _turn(job_id: str) -> None:
    pages, following = _pages(job_id), st.session_state.get(f"job-next-{job_id}")
    match _heard(job_id, "turn"):
        case "next" if following:
            pages.append(following)
        case "previous" if len(pages) > 1:
            pages.pop()


def _retry(job_id: str) -> None:
    task_id = _heard(job_id, "retry")
    if task_id:
        try:
            studio.retry_task(session.api(), task_id)
        except ApiProblem as problem:
            st.toast(explain(problem), icon=":material/error:")
