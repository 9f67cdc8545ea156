"""Who is there to work, and how to put a machine to work when nobody is."""

import streamlit as st

from ui.core import session, studio
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.settings import ui_settings
from ui.core.studio import Workers
from ui.parts.browser import copies

# What a worker must be started with before it takes tasks of these runners.
_NEEDS = {"command": " --commands commands.toml", "diffusers": " --models models"}


def crew() -> Workers | None:
    """The workers, or nothing where that cannot be read now: a page must not depend on it."""
    try:
        return studio.workers(session.api())
    except ApiProblem:
        return None


def nobody_works(workers: Workers | None, runner: str) -> None:
    """Say plainly that nothing will happen, with the command that changes it."""
    if workers is None or workers.able(runner):
        return
    with st.container(border=True, key="card-no-worker", gap="small"):
        known = "no_worker" if not workers.online else "no_such_worker"
        st.markdown(f"**:material/power_off: {t(f'studio.{known}')}**")
        st.markdown(t("studio.no_worker_text"))
        run = f"maru worker run --url {ui_settings().inference_url} --token wk_…{_NEEDS.get(runner, '')}"
        lines = [
            (t("studio.make_token"), "maru worker token create --name my-worker"),
            (t("studio.start_worker"), run),
        ]
        copies(lines, {"copy": t("action.copy"), "copied": t("action.copied")}, key="worker-command")
