"""What went wrong, in words a person can act on; causes go to the log, never to the page."""

import logging
import uuid

import streamlit as st

from ui.core.api import ApiProblem
from ui.core.i18n import maybe, t

_log = logging.getLogger("ui")


def explain(problem: ApiProblem) -> str:
    """The sentence for this problem: by its code, else by its kind of status."""
    by_code = maybe(f"problem.{problem.code}")
    if by_code is not None:
        return by_code
    kinds = {0: "unreachable", 401: "unauthenticated", 403: "forbidden", 404: "not_found", 429: "rate_limited"}
    kind = kinds.get(problem.status) or ("refused" if problem.status < 500 else "server")
    return t(f"problem.{kind}")


def explain_code(code: str, otherwise: str = "problem.server") -> str:
    """The sentence for a code that came inside a stream or a record."""
    return maybe(f"problem.{code}") or t(otherwise)


def reference(problem: ApiProblem) -> str:
    """The request id in words, where there is one."""
    return t("problem.reference", id=problem.request_id[:36]) if problem.request_id else ""


def show(problem: ApiProblem, *, key: str, retry: bool = True) -> None:
    """Say what happened and what is safe, and offer to try again; what the page showed before stays."""
    st.error(f"{explain(problem)} {reference(problem)}".strip(), icon=":material/error:")
    if retry:
        st.button(t("action.retry"), key=f"retry-{key}", icon=":material/refresh:")


def on_script_error(error: Exception) -> bool:
    """The last resort for anything a page did not expect: a reference that the log also has, and no detail."""
    reference_id = uuid.uuid4().hex[:8]
    if isinstance(error, ApiProblem):
        show(error, key=reference_id)
        return True
    _log.error("page failed reference=%s", reference_id, exc_info=error)
    st.error(f"{t('problem.page')} {t('problem.reference', id=reference_id)}", icon=":material/error:")
    st.button(t("action.retry"), key=f"retry-{reference_id}", icon=":material/refresh:")
    return True
