"""Who is looking at this page: the cookie's handle and what it is worth."""

import uuid
from functools import partial

import streamlit as st

from ui.core.api import Api, ApiProblem
from ui.core.cookies import session_handle
from ui.core.tokens import forget, token_for


def signed_in() -> bool:
    """Whether the cookie still opens a session; a refusal by the gateway means signed out, an outage does not."""
    handle = session_handle(st.context.cookies)
    if handle is None:
        return False
    try:
        token_for(handle)
    except ApiProblem as problem:
        if problem.status in (401, 403, 404, 410, 422):
            return False
        raise
    return True


def api() -> Api:
    """The gateway in the name of the person at this page."""
    handle = session_handle(st.context.cookies)
    return Api(partial(token_for, handle)) if handle else Api()


def drop_token() -> None:
    """Forget what is cached for this page's session, so that the next call proves it again."""
    handle = session_handle(st.context.cookies)
    if handle is not None:
        forget(handle)


def new_key() -> str:
    """A name under which a creating call may be repeated without creating twice."""
    return uuid.uuid4().hex
