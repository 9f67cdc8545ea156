"""What a person may do with a job: pause, resume, cancel, try again, take the results, run again, delete."""

import time
from functools import partial
from typing import Literal

import streamlit as st
from shared.contracts.studio import Job

from ui.core import session, studio
from ui.core.api import ApiProblem, public_url
from ui.core.i18n import t
from ui.core.trouble import explain
from ui.parts import nav, press
from ui.parts.confirm import confirm
from ui.parts.studio_words import count, is_active

# The gateway's link lives longer; what is offered should still work when it is pressed.
_LINK_S = 240.0


def commands(job: Job) -> None:
    """The one that matters most now comes first, and is the only primary one."""
    job_id = str(job.id)
    with st.container(horizontal=True, key="job-commands"):
        if job.status == "paused":
            _button("resume", "play_arrow", job_id, primary=True)
        elif is_active(job):
            _button("pause", "pause", job_id)
        if job.counts.done:
            _results(job, primary=not is_active(job) and not job.counts.failed)
        if job.counts.failed and job.status not in ("cancelled", "done"):
            label = t("studio.retry_failed", n=count(job.counts.failed))
            _button("retry-failed", "refresh", job_id, primary=job.status == "failed", label=label)
        if not is_active(job) and press.button(t("studio.again"), icon=":material/replay:", key="job-again"):
            nav.go("studio", new=1, like=job_id)
        if is_active(job) and press.button(
            t("studio.cancel"), type="tertiary", icon=":material/block:", key="job-cancel"
        ):
            confirm("cancel_job", partial(_cancel, job_id))
        if not is_active(job) and press.button(
            t("studio.delete"), type="tertiary", icon=":material/delete:", key="job-delete"
        ):
            confirm("delete_job", partial(_delete, job_id))


def _button(name: str, icon: str, job_id: str, *, primary: bool = False, label: str = "") -> None:
    st.button(
        label or t(f"studio.{name}"),
        type="primary" if primary else "secondary",
        icon=f":material/{icon}:",
        key=f"job-{name}",
        on_click=_order,
        args=(job_id, name),
    )


def _order(job_id: str, name: str) -> None:
    """Give the order; what is shown next is what the gateway then says."""
    try:
        studio.command(session.api(), job_id, name)
    except ApiProblem as problem:
        st.toast(explain(problem), icon=":material/error:")


def _cancel(job_id: str) -> None:
    studio.command(session.api(), job_id, "cancel")
    st.session_state["said"] = t("studio.cancelled")
    st.rerun()


def _delete(job_id: str) -> None:
    studio.delete(session.api(), job_id)
    st.session_state["said"] = t("studio.deleted")
    nav.go("studio")


def _results(job: Job, *, primary: bool) -> None:
    """A press makes a link for this moment; the link itself is what the browser follows."""
    kind: Literal["primary", "secondary"] = "primary" if primary else "secondary"
    slot = f"job-zip-{job.id}"
    made: tuple[str, float] | None = st.session_state.get(slot)
    if made is not None and time.monotonic() - made[1] < _LINK_S:
        st.link_button(t("studio.zip_save"), public_url(made[0]), type=kind, icon=":material/folder_zip:")
        return
    label = t("studio.zip", n=count(job.counts.done))
    st.button(label, type=kind, icon=":material/folder_zip:", key="job-zip", on_click=_link, args=(str(job.id), slot))


def _link(job_id: str, slot: str) -> None:
    try:
        st.session_state[slot] = (studio.results_link(session.api(), job_id), time.monotonic())
    except ApiProblem as problem:
        st.toast(explain(problem), icon=":material/error:")
