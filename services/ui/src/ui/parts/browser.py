"""What runs in the browser: each function mounts one script of assets/js with its data.

Texts travel as data and become text nodes; a script never receives markup.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import streamlit as st

from ui.edge.assets import assets_version
from ui.parts.press import heard, listener

Renderer = Callable[..., Any]

# Inline script is repeated in every message, so a component only fetches its module, which the browser keeps.
_LOADER = """
export default async function (component) {{
  const module = await import(new URL("/assets/js/{name}.js?v={version}", location.origin).href);
  return module.default(component);
}}
"""


@lru_cache(maxsize=32)
def _component(name: str) -> Renderer:
    script = _LOADER.format(name=name, version=assets_version())
    renderer: Renderer = st.components.v2.component(f"maru_{name}", js=script, isolate_styles=False)
    return renderer


def _nothing() -> None:
    """A listener that only makes the value part of the component's result."""


def session_command(command: Mapping[str, str]) -> str | None:
    """Have the browser post to our session routes and load the page anew; returns the code of a refusal."""
    result = _component("session")(key="session-command", data=dict(command), on_failed_change=_nothing)
    failed: str | None = result.failed
    return failed


def watch_session() -> None:
    """Load this tab anew when another one signs in or out."""
    with st.container(key="session-slot"):
        _component("session")(key="session-watch", data={})


def announce(text: str, *, key: str) -> None:
    """Say something to a screen reader, once for each key and text."""
    _component("announce")(key=f"announce-{key}", data={"text": text})


def cards(sections: Sequence[Mapping[str, Any]], *, key: str, look: str = "list") -> None:
    """Lists of linked cards; the browser follows their links by itself."""
    data = {"look": look, "sections": list(sections)}
    _component("cards")(key=key, data=data)


def answer(text: str, links: Mapping[str, str], label: str, *, key: str) -> None:
    """A finished answer whose `[n]` markers lead to their sources."""
    data = {"text": text, "links": dict(links), "label": label}
    _component("answer")(key=key, data=data)


def calendar(data: Mapping[str, Any], *, key: str) -> str | None:
    """One month with its counts; returns the day that was chosen."""
    result = _component("calendar")(key=key, data=dict(data), on_day_change=listener(key, "day"))
    day: str | None = heard(key, "day", result.day)
    return day


def reader(text: str, *, key: str, start: int = 0, end: int = 0, label: str = "") -> None:
    """A text as it was written, with one passage marked and scrolled to; offsets are code points."""
    parts = [text[:start], text[start:end], text[end:]] if end > start else [text, "", ""]
    _component("reader")(key=key, data={"parts": parts, "label": label})


def insights(data: Mapping[str, Any], *, key: str) -> None:
    """What was understood from an entry, as text nodes: a model may have written it."""
    _component("insights")(key=key, data=dict(data))


def attachments(items: Sequence[Mapping[str, str]], label: str, *, key: str) -> None:
    """Pictures, players and links of an entry's files."""
    _component("attachments")(key=key, data={"items": list(items), "label": label})


def file_picker(data: Mapping[str, Any], *, key: str, on_change: Callable[[], None]) -> list[dict[str, Any]] | None:
    """Choose files and send them to the addresses in `data`; returns what the browser says of each, None until it has said anything."""
    result = _component("upload")(key=key, data=dict(data), on_files_change=on_change, default={"files": None})
    rows: list[dict[str, Any]] | None = result.files
    return rows


def photo_picker(data: Mapping[str, Any], *, key: str, on_turn: Callable[[], None]) -> Mapping[str, Any]:
    """A page of stored photos to choose from; returns the choice so far, which pages and filters do not end."""
    result = _component("picker")(
        key=key,
        data=dict(data),
        on_turn_change=on_turn,
        on_selection_change=_nothing,
        default={"selection": {"all": False, "ids": data["choose"], "except": []}},
    )
    selection: Mapping[str, Any] = result.selection
    return selection


def job_list(data: Mapping[str, Any], *, key: str) -> None:
    """Jobs as linked cards that ask for news while one of them runs."""
    _component("jobs")(key=key, data=dict(data), on_refresh_change=_nothing)


def job_board(data: Mapping[str, Any], *, key: str, on_change: Mapping[str, Callable[[], None]]) -> None:
    """A job as it goes; `on_change` hears `show`, `turn` and `retry`, whose values are in `st.session_state[key]`."""
    listeners = {f"on_{name}_change": listener for name, listener in on_change.items()}
    _component("job")(key=key, data=dict(data), on_refresh_change=_nothing, **listeners)


def copies(lines: Sequence[tuple[str, str]], words: Mapping[str, str], *, key: str) -> None:
    """Texts that are made to be copied, each under its name."""
    data = {"lines": [{"label": label, "text": text} for label, text in lines], **words}
    _component("copy")(key=key, data=data)


def table(data: Mapping[str, Any], *, key: str) -> Mapping[str, str] | None:
    """Rows of facts with what can be done about each; returns the `id` and the `name` of an action that was pressed."""
    result = _component("table")(key=key, data=dict(data), on_act_change=listener(key, "act"))
    act: Mapping[str, str] | None = heard(key, "act", result.act)
    return act
