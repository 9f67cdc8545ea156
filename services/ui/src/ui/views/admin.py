"""Administration: use and cost, workers, queues, what was given up, tokens and hosts."""

import streamlit as st

from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.trouble import show
from ui.parts.address import bound, keep
from ui.parts.admin_tokens import forget_secret, tokens
from ui.parts.admin_usage import usage
from ui.parts.admin_work import dead_letters, hosts, queues, workers
from ui.parts.arriving import say
from ui.parts.circle import circle

_VIEWS = {
    "usage": usage,
    "workers": workers,
    "queues": queues,
    "letters": dead_letters,
    "tokens": tokens,
    "hosts": hosts,
}


def render() -> None:
    """For administrators; the gateway refuses everybody else whatever is shown here."""
    st.markdown(f"# {t('nav.admin')}", anchors=False)
    if not circle().me.user.is_admin:
        st.info(t("admin.only"), icon=":material/lock:")
        return
    say()
    view = st.segmented_control(
        t("admin.view"),
        list(_VIEWS),
        required=True,
        wrap=True,
        format_func=lambda name: t(f"admin.{name}"),
        label_visibility="collapsed",
        key=bound("view", list(_VIEWS), "usage"),
        on_change=keep,
        args=("view",),
    )
    if view != "tokens":
        forget_secret()
    try:
        _VIEWS[str(view)]()
    except ApiProblem as problem:
        show(problem, key="admin")
