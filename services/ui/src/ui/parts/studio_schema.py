"""What a runner's JSON schema asks for, as fields of a form; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

FieldKind = Literal["choice", "flag", "whole", "number", "text", "paragraph", "color", "mapping"]

_LONG_TEXT = 1_000
_STEPS = (1.0, 0.5, 0.1, 0.05, 0.01)
_LEAST_STEPS = 16
_SLIDER_SPAN = 100


@dataclass(frozen=True)
class Field:
    """One setting. `low` and `high` are allowed themselves; `matters_for` names the values of others that it needs."""

    name: str
    kind: FieldKind
    title: str
    description: str
    default: Any
    required: bool
    optional: bool
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    step: float = 1
    pattern: str = ""
    longest: int | None = None
    matters_for: Mapping[str, list[str]] | None = None

    @property
    def slides(self) -> bool:
        """Whether the whole range fits a slider that one can aim with."""
        if self.optional or self.low is None or self.high is None:
            return False
        return (self.high - self.low) / self.step <= _SLIDER_SPAN

    def matters(self, chosen: Mapping[str, Any]) -> bool:
        """Whether it has an effect beside what is chosen so far."""
        return _holds(self.matters_for or {}, chosen)


def fields(schema: Mapping[str, Any]) -> list[Field]:
    """In the schema's order, which puts what decides before what depends on it."""
    required = set(schema.get("required", ()))
    return [_field(name, rule, required=name in required) for name, rule in schema.get("properties", {}).items()]


def lacking(schema: Mapping[str, Any], params: Mapping[str, Any]) -> list[list[str]]:
    """Settings of which the choices need at least one, and none is given."""
    needs = [need for need in schema.get("x-needs-one-of", ()) if _holds(need["when"], params)]
    return [need["names"] for need in needs if not any(params.get(name) is not None for name in need["names"])]


def _holds(conditions: Mapping[str, list[str]], chosen: Mapping[str, Any]) -> bool:
    return all(chosen.get(name) in values for name, values in conditions.items())


def _field(name: str, rule: Mapping[str, Any], *, required: bool) -> Field:
    kinds = [one for one in rule.get("anyOf", ()) if one.get("type") != "null"]
    inner: dict[str, Any] = {**(kinds[0] if kinds else {}), **{k: v for k, v in rule.items() if k != "anyOf"}}
    kind = _kind(inner)
    step = _step(inner, kind)
    return Field(
        name=name,
        kind=kind,
        title=str(rule.get("title") or name),
        description=str(rule.get("description") or ""),
        default=rule.get("default"),
        required=required,
        optional=len(rule.get("anyOf", ())) > len(kinds),
        choices=tuple(str(value) for value in inner.get("enum", ())),
        low=_edge(inner.get("minimum"), inner.get("exclusiveMinimum"), step),
        high=_edge(inner.get("maximum"), inner.get("exclusiveMaximum"), -step),
        step=step,
        pattern=str(inner.get("pattern") or ""),
        longest=inner.get("maxLength"),
        matters_for=rule.get("x-matters-for"),
    )


def _kind(rule: Mapping[str, Any]) -> FieldKind:
    if "enum" in rule:
        return "choice"
    match rule.get("type"):
        case "boolean":
            return "flag"
        case "integer":
            return "whole"
        case "number":
            return "number"
        case "object" | "array":
            return "mapping"
        case _:
            return _text_kind(rule)


def _text_kind(rule: Mapping[str, Any]) -> FieldKind:
    if rule.get("format") == "color" or str(rule.get("pattern", "")).startswith("^#[0-9a-f"):
        return "color"
    return "paragraph" if (rule.get("maxLength") or 0) >= _LONG_TEXT else "text"


def _step(rule: Mapping[str, Any], kind: FieldKind) -> float:
    """The coarsest step that still leaves a choice."""
    if kind != "number":
        return float(rule.get("multipleOf") or 1)
    low = rule.get("minimum", rule.get("exclusiveMinimum"))
    high = rule.get("maximum", rule.get("exclusiveMaximum"))
    if low is None or high is None:
        return _STEPS[2]
    return next((step for step in _STEPS if (high - low) / step >= _LEAST_STEPS), _STEPS[-1])


def _edge(closed: float | None, opened: float | None, step: float) -> float | None:
    return closed if closed is not None else None if opened is None else opened + step
