"""JSON schemas in the subset that strict structured output accepts."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

# Refused or ignored by endpoints; pydantic checks them on the answer in any case.
_UNSUPPORTED = frozenset({"default", "title", "minLength", "maxLength", "uniqueItems", "examples"})


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of `model` with every property required and no others allowed, as OpenAI's strict mode demands."""
    schema = model.model_json_schema()
    if "$ref" in schema:
        # A model that contains itself is all reference; the root has to be an object.
        schema = {**schema["$defs"][schema["$ref"].rpartition("/")[2]], "$defs": schema["$defs"]}
    tightened: dict[str, Any] = _tighten(schema)
    return tightened


def _tighten(node: Any, *, names: bool = False) -> Any:
    if isinstance(node, list):
        return [_tighten(item) for item in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {name: _tighten(value) for name, value in node.items()}
    kept = {
        key: _tighten(value, names=key in {"properties", "$defs"})
        for key, value in node.items()
        if key not in _UNSUPPORTED
    }
    if isinstance(kept.get("properties"), dict):
        kept["required"] = list(kept["properties"])
        kept["additionalProperties"] = False
    # Strict mode wants a reference alone.
    return {"$ref": kept["$ref"]} if "$ref" in kept else kept
