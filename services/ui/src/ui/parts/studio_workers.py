"""Who is there to work, and how to put a machine to work when nobody is."""

import streamlit as st
from shared.contracts.runners import model_named
from shared.contracts.studio import Job

from ui.core import session, studio
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.settings import ui_settings
from ui.core.studio import Workers
from ui.parts.browser import copies
from ui.parts.words import plain

# What a worker must be started with before it takes tasks of these runners.
_NEEDS = {"command": " --commands commands.toml", "diffusers": " --models models"}


def crew() -> Workers | None:
    """The workers, or nothing where that cannot be read now: a page must not depend on it."""
    try:
        return studio.workers(session.api())
    except ApiProblem:
        return None


def _why_nobody(workers: Workers, job: Job) -> str:
    """What those that are online lack for this job, or nothing."""
    if not workers.online:
        return t("studio.no_worker")
    if not workers.able(job.runner):
        return t("studio.no_such_worker")
    model = job.requires.model or model_named(job.runner, job.params)
    if not model or _has_able(job):
        return ""
    return t("studio.no_such_model", name=plain(model))


def _has_able(job: Job) -> bool:
    """Where it cannot be asked now, nothing is said: what is said must be so."""
    try:
        return studio.able_workers(session.api(), job) > 0
    except ApiProblem:
        return True


def nobody_works(workers: Workers | None, job: Job) -> None:
    """Say plainly that nothing will happen, with the command that changes it."""
    why = _why_nobody(workers, job) if workers is not None else ""
    if not why:
        return
    with st.container(border=True, key="card-no-worker", gap="small"):
        st.markdown(f"**:material/power_off: {why}**")
        st.markdown(t("studio.no_worker_text"))
        run = f"maru worker run --url {ui_settings().inference_url} --token wk_…{_NEEDS.get(job.runner, '')}"
        lines = [
            (t("studio.make_token"), "maru worker token create --name my-worker"),
            (t("studio.start_worker"), run),
        ]
        copies(lines, {"copy": t("action.copy"), "copied": t("action.copied")}, key="worker-command")
