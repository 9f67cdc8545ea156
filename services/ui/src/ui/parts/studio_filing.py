"""A job's results as entries of the journal: how many are kept, which are not and why, and the press that keeps them."""

import streamlit as st
from shared.contracts.studio import Job

from ui.core import session, studio
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.studio import ResultFiling
from ui.core.trouble import explain
from ui.parts.studio_words import count
from ui.parts.words import plain


def filing(job: Job) -> None:
    """Nothing is said where nothing can be kept; a state that cannot be had keeps nobody from the results."""
    if not job.counts.done:
        return
    try:
        state = studio.result_filing(session.api(), str(job.id))
    except ApiProblem:
        return
    with st.container(key="job-filing"):
        _said(state)
        if state.filed + state.waiting < state.done:
            st.button(
                t("studio.keep", n=count(state.done - state.filed - state.waiting)),
                icon=":material/library_add:",
                key="job-keep",
                on_click=_keep,
                args=(str(job.id),),
            )


def _said(state: ResultFiling) -> None:
    if state.filed or state.waiting or state.file_results:
        kept = t("studio.kept", n=count(state.filed), total=count(state.done))
        waiting = t("studio.keeping", n=count(state.waiting)) if state.waiting else ""
        st.caption(f":material/library_add_check: {' '.join(filter(None, (kept, waiting)))}")
    if state.skipped:
        with st.expander(t("studio.not_kept", n=count(state.skipped)), icon=":material/info:"):
            for reason in state.reasons:
                st.markdown(f"{reason.seq + 1}. {plain(reason.detail)}")


def _keep(job_id: str) -> None:
    try:
        studio.file_results(session.api(), job_id)
    except ApiProblem as problem:
        st.toast(explain(problem), icon=":material/error:")
