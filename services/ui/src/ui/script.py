"""What Streamlit runs for every page and every interaction: choose the page, or ask who is there."""

import streamlit as st

from ui.core import session
from ui.core.api import ApiProblem
from ui.core.i18n import begin_run, t
from ui.core.trouble import show
from ui.parts import frame, nav, press
from ui.parts.browser import watch_session
from ui.views import sign_in


def main() -> None:
    """Every page is registered always, so that an address survives signing in; only the body is exchanged."""
    begin_run()
    st.set_page_config(layout="centered", initial_sidebar_state="auto", page_title="Maru")
    page = frame.register()
    press.presses().turn_to(f"{page.url_path} {nav.asked('id') or nav.asked('job')}")
    try:
        known = session.signed_in()
    except ApiProblem as problem:
        show(problem, key="session")
        return
    watch_session()
    if not known:
        sign_in.render()
        return
    frame.sidebar()
    try:
        page.run()
    except ApiProblem as problem:
        if problem.status == 401:
            # The session ended elsewhere; the next run asks the gateway again and shows the way in.
            session.drop_token()
        show(problem, key="page")
        nav.link("today", t("nav.today"), icon="arrow_back")


main()
