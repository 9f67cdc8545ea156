"""Worker tokens: made and shown once, changed, revoked."""

from functools import partial

import streamlit as st

from ui.core import operations, session, when
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.operations import WorkerToken
from ui.core.settings import ui_settings
from ui.core.trouble import show
from ui.parts.browser import copies
from ui.parts.confirm import confirm
from ui.parts.tables import Cell, Row, facts

_SHOWN_ONCE = "worker-token-once"
_DAYS = (30, 90, 365)


def tokens() -> None:
    """A secret that was just made stands where the eye is, until it is put away or the page is left."""
    found = operations.worker_tokens(session.api())
    if found:
        icons = {"rotate": "autorenew", "revoke": "block"}
        act = facts("tokens", ("token", "state", "expires", "used"), [_row(one) for one in found], icons=icons)
        if act:
            name, token_id = act
            confirm(f"{name}_token", partial(_rotate if name == "rotate" else _revoke, token_id))
    else:
        st.caption(t("admin.no_tokens"))
    _once()
    with st.container(border=True, key="card-make-token", gap="small"):
        st.markdown(f"## {t('admin.make_token')}", anchors=False)
        _form()


def forget_secret() -> None:
    """Whoever looks elsewhere has seen it."""
    st.session_state.pop(_SHOWN_ONCE, None)


def _once() -> None:
    made: WorkerToken | None = st.session_state.get(_SHOWN_ONCE)
    if made is None or made.token is None:
        return
    with st.container(border=True, key="card-secret", gap="small"):
        st.markdown(f"**:material/key: {t('admin.secret')}**")
        st.markdown(t("admin.secret_text"))
        run = f"maru worker run --url {ui_settings().inference_url} --token {made.token}"
        lines = [(t("admin.secret_label"), made.token), (t("studio.start_worker"), run)]
        copies(lines, {"copy": t("action.copy"), "copied": t("action.copied")}, key="secret")
        st.button(t("admin.put_away"), icon=":material/check:", key="put-away", on_click=forget_secret)


def _row(one: WorkerToken) -> Row:
    state = Cell(t("admin.revoked"), tone="plain") if one.revoked_at else Cell(t("admin.valid"), tone="green")
    expires = max((version.expires_at for version in one.versions), default=None)
    used = when.moment_name(one.last_used_at) if one.last_used_at else t("admin.never")
    return Row(
        one.id,
        (
            Cell(one.name, f"wk_{one.id}"),
            state,
            Cell(when.day_long(when.local(expires).date()) if expires and not one.revoked_at else "–"),
            Cell(used),
        ),
        () if one.revoked_at else ("rotate", "revoke"),
    )


def _form() -> None:
    with st.form("worker-token", border=False, clear_on_submit=True):
        name = st.text_input(t("admin.token_name"), max_chars=100, placeholder=t("admin.token_example"))
        days = st.selectbox(t("admin.token_days"), _DAYS, index=1, format_func=lambda n: t("admin.n_days", n=n))
        pressed = st.form_submit_button(t("admin.make"), type="primary")
    if not pressed:
        return
    if not name or not name.strip():
        st.warning(t("admin.name_missing"), icon=":material/key:")
        return
    try:
        st.session_state[_SHOWN_ONCE] = operations.make_token(session.api(), name.strip(), days=days or _DAYS[1])
    except ApiProblem as problem:
        show(problem, key="worker-token", retry=False)
        return
    st.rerun()


def _rotate(token_id: str) -> None:
    st.session_state[_SHOWN_ONCE] = operations.rotate_token(session.api(), token_id)
    st.rerun()


def _revoke(token_id: str) -> None:
    operations.revoke_token(session.api(), token_id)
    st.session_state["said"] = t("admin.token_revoked")
    st.rerun()
