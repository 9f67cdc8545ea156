"""What the peer does not let pass: the endpoint's documented limits and names, so that a request it takes is one the real endpoint takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CHAT = frozenset({
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p", "response_format", "seed",
    "stop", "n", "user", "metadata", "reasoning_effort", "tools", "tool_choice", "presence_penalty", "frequency_penalty",
})  # fmt: skip
_EMBEDDINGS = frozenset(["model", "input", "dimensions", "encoding_format", "user"])
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_PARTS = frozenset({"text", "image_url", "input_audio"})


class Rejected(Exception):
    """The request breaks a rule; the message says which."""


def check_chat(body: Mapping[str, Any]) -> None:
    """Raise `Rejected` unless this is a chat completion request."""
    _known(body, _CHAT)
    _require(isinstance(body.get("model"), str) and body["model"], "model is required")
    messages = body.get("messages")
    _require(isinstance(messages, list) and messages, "messages must be a non-empty list")
    for message in messages or []:
        _check_message(message)
    stream = body.get("stream", False)
    _require(isinstance(stream, bool), "stream must be a boolean")
    _require(stream or "stream_options" not in body, "stream_options is only allowed when stream is enabled")
    _require(
        not ("max_tokens" in body and "max_completion_tokens" in body),
        "max_tokens and max_completion_tokens exclude each other",
    )
    for name in ("max_tokens", "max_completion_tokens"):
        _require(
            name not in body or (isinstance(body[name], int) and body[name] > 0), f"{name} must be a positive integer"
        )
    _require(0 <= body.get("temperature", 1) <= 2, "temperature must be between 0 and 2")
    if shape := body.get("response_format"):
        _check_format(shape)


def check_embeddings(body: Mapping[str, Any]) -> None:
    """Raise `Rejected` unless this is an embeddings request within the limits."""
    _known(body, _EMBEDDINGS)
    _require(isinstance(body.get("model"), str) and body["model"], "model is required")
    texts = body.get("input")
    texts = [texts] if isinstance(texts, str) else texts
    _require(isinstance(texts, list) and 1 <= len(texts) <= 2048, "input must hold 1 to 2048 texts")
    total = 0
    for text in texts or []:
        _require(isinstance(text, str) and text != "", "input must not hold empty texts")
        tokens = len(text) // 4
        _require(tokens <= 8192, "a text is longer than 8192 tokens")
        total += tokens
    _require(total <= 300_000, "more than 300000 tokens in one request")
    dimensions = body.get("dimensions", 1)
    _require(isinstance(dimensions, int) and dimensions > 0, "dimensions must be a positive integer")


def check_strict(schema: Mapping[str, Any], path: str = "schema") -> None:
    """Raise `Rejected` unless a schema is in the strict subset: every object closed, every property required."""
    if schema.get("type") == "object":
        _require(schema.get("additionalProperties") is False, f"{path}: additionalProperties must be false")
        properties = schema.get("properties", {})
        _require(sorted(schema.get("required", [])) == sorted(properties), f"{path}: required must name every property")
        for name, value in properties.items():
            check_strict(value, f"{path}.{name}")
    _require("$ref" not in schema or len(schema) == 1, f"{path}: $ref must stand alone")
    if isinstance(schema.get("items"), dict):
        check_strict(schema["items"], f"{path}[]")
    for index, choice in enumerate(schema.get("anyOf", [])):
        check_strict(choice, f"{path}|{index}")
    for name, value in schema.get("$defs", {}).items():
        check_strict(value, f"{path}#{name}")


def _check_message(message: Any) -> None:
    _require(isinstance(message, dict) and message.get("role") in _ROLES, "a message has no known role")
    content = message.get("content")
    if isinstance(content, list):
        _require(all(part.get("type") in _PARTS for part in content), "a content part has no known type")
        urls = [part["image_url"]["url"] for part in content if part.get("type") == "image_url"]
        _require(
            all(url.startswith(("data:image/", "https://")) for url in urls), "an image URL is neither data nor https"
        )
    else:
        _require(isinstance(content, str), "a message has no content")


def _check_format(shape: Any) -> None:
    kind = shape.get("type") if isinstance(shape, dict) else None
    _require(kind in {"text", "json_object", "json_schema"}, "response_format has no known type")
    if kind == "json_schema":
        inner = shape.get("json_schema") or {}
        _require(
            isinstance(inner.get("name"), str) and isinstance(inner.get("schema"), dict),
            "json_schema needs name and schema",
        )
        if inner.get("strict"):
            check_strict(inner["schema"])


def _known(body: Mapping[str, Any], names: frozenset[str]) -> None:
    unknown = sorted(set(body) - names)
    _require(not unknown, f"unrecognised parameters: {', '.join(unknown)}")


def _require(condition: object, message: str) -> None:
    if not condition:
        raise Rejected(message)
