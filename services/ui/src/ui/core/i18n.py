"""Every word that Maru shows, in Korean and in English."""

import json
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from importlib.resources import files

import streamlit as st

from ui.core.cookies import LANGUAGE_NAME

LANGUAGES = ("ko", "en")
# A script thread belongs to one session, whose cookies are those of its connection.
_of_this_run: ContextVar[str] = ContextVar("language")


@lru_cache(maxsize=2)
def words(language: str) -> Mapping[str, str]:
    """The catalogue of one language; keys are dotted paths."""
    text = files("ui").joinpath("locales", f"{language}.json").read_text(encoding="utf-8")
    catalogue: dict[str, str] = json.loads(text)
    return catalogue


def preferred(cookies: Mapping[str, str], accept_language: str) -> str:
    """The language a person chose, else Korean where the browser asks for it first, else English."""
    chosen = cookies.get(LANGUAGE_NAME)
    if chosen in LANGUAGES:
        return chosen
    return "ko" if accept_language.strip().lower().startswith("ko") else "en"


def begin_run() -> None:
    """Settle this run's language once: a page asks for some hundred words, and every look at the cookies parses them."""
    _of_this_run.set(_asked())


def _asked() -> str:
    return preferred(st.context.cookies, st.context.headers.get("Accept-Language") or "")


def language() -> str:
    """The language of this page; callbacks, which come before a run begins, look for themselves."""
    return _of_this_run.get(None) or _asked()


def t(key: str, **values: object) -> str:
    """The text of `key` in the page's language; a missing key shows itself, which the locale test refuses."""
    text = words(language()).get(key, key)
    return text.format(**values) if values else text


def maybe(key: str) -> str | None:
    """The text of `key`, or nothing where the catalogue has no such key."""
    return words(language()).get(key)
