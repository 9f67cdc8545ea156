"""The settings of a runner as a form, made from the schema that the gateway gives."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from ui.core.i18n import maybe, t
from ui.core.studio import Runner
from ui.parts.studio_schema import Field, fields, lacking

_MOST_SEGMENTS = 6
# Browsers count exactly up to here; the framework refuses more.
_EXACT = 2**53 - 1


@dataclass
class Settings:
    """What was chosen, without what has no effect; `missing` names what must still be given or put right."""

    params: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def runner_title(name: str) -> str:
    return maybe(f"runner.{name}") or name


def settings_form(runner: Runner, given: Mapping[str, Any]) -> Settings:
    """Show what matters for the choices made; what one rarely needs is under one more press."""
    chosen: dict[str, Any] = {}
    settings = Settings()
    late: list[Field] = []
    schema = runner.params_schema or {}
    asked = fields(schema)
    for one in asked:
        if one.kind == "mapping" or (one.optional and not one.matters_for):
            late.append(one)
            continue
        if one.matters(chosen):
            chosen[one.name] = _ask(runner.name, one, given)
            _take(runner.name, one, chosen[one.name], settings)
    if late:
        with st.expander(t("studio.more_settings"), icon=":material/tune:", key=f"more-{runner.name}"):
            for one in late:
                _take(runner.name, one, _ask(runner.name, one, given), settings)
    titles = {one.name: label(runner.name, one) for one in asked}
    for names in lacking(schema, settings.params):
        settings.missing.append(t("studio.one_of", names=", ".join(titles[name] for name in names)))
    return settings


def _take(runner: str, one: Field, value: Any, settings: Settings) -> None:
    if one.kind == "mapping":
        value = _mapping(value)
    if _is_wrong(one, value):
        settings.missing.append(label(runner, one))
    elif value is not None:
        settings.params[one.name] = value


def _is_wrong(one: Field, value: Any) -> bool:
    if value is None:
        return one.required or one.kind == "mapping"
    if not isinstance(value, str):
        return False
    if not value.strip():
        return one.required
    return bool(one.pattern) and re.search(one.pattern, value) is None


def _mapping(text: str) -> Any:
    """The JSON object in a text; nothing when it is not one."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def label(runner: str, one: Field) -> str:
    return maybe(f"runner.{runner}.{one.name}") or one.title


def _help(runner: str, one: Field) -> str | None:
    """Our own words; the schema's where the runner is not one of ours."""
    if maybe(f"runner.{runner}.{one.name}"):
        return maybe(f"runner.{runner}.{one.name}.help")
    return one.description or None


def _ask(runner: str, one: Field, given: Mapping[str, Any]) -> Any:
    key = f"param-{runner}-{one.name}"
    value = given.get(one.name, one.default)
    words: dict[str, Any] = {"label": label(runner, one), "help": _help(runner, one), "key": key}
    if one.kind == "choice":
        return _choice(runner, one, value, words)
    if one.kind in ("whole", "number"):
        return _number(one, value, words)
    if one.kind == "flag":
        return st.toggle(value=bool(value), **words)
    if one.kind == "color":
        return st.color_picker(value=str(value or "#ffffff"), **words)
    return _text(one, value, words)


def _text(one: Field, value: Any, words: dict[str, Any]) -> str:
    if one.kind == "mapping":
        text = json.dumps(value, ensure_ascii=False, indent=1) if value else ""
        return str(st.text_area(value=text, placeholder='{"key": "value"}', height=96, **words))
    if one.kind == "paragraph":
        return str(st.text_area(value=str(value or ""), max_chars=one.longest, height=96, **words))
    return str(st.text_input(value=str(value or ""), max_chars=one.longest, **words))


def _choice(runner: str, one: Field, value: Any, words: dict[str, Any]) -> Any:
    def named(choice: str) -> str:
        return maybe(f"runner.{runner}.{one.name}.{choice}") or choice

    if len(one.choices) <= _MOST_SEGMENTS:
        default = value if value in one.choices else one.choices[0]
        return st.segmented_control(
            options=one.choices, default=default, required=True, wrap=True, format_func=named, **words
        )
    index = one.choices.index(value) if value in one.choices else 0
    return st.selectbox(options=one.choices, index=index, format_func=named, **words)


def _number(one: Field, value: Any, words: dict[str, Any]) -> Any:
    kind: type[int] | type[float] = int if one.kind == "whole" else float
    limits: dict[str, Any] = {
        "min_value": None if one.low is None else kind(one.low),
        "max_value": None if one.high is None or one.high > _EXACT else kind(one.high),
        "step": kind(one.step),
        "value": None if value is None else kind(value),
    }
    if one.slides:
        return st.slider(**limits, **words)
    return st.number_input(**limits, placeholder=t("studio.by_itself") if one.optional else None, **words)
