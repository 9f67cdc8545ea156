"""What the peer is told to answer, and what it answers by itself."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted answer to a chat completion (or, with another status than 200, to any request).

    `text` None means: fit the schema if one was asked for, else quote the prompt's passages. `pieces` fixes how a stream is cut up. After
    `hold_after` pieces the stream is silent until `peer.release()`; after `cut_after` pieces the connection drops. `lines` replaces the stream's
    `data:` lines as they are.
    """

    text: str | None = None
    status: int = 200
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0
    token_delay_s: float = 0
    pieces: tuple[str, ...] | None = None
    hold_after: int | None = None
    cut_after: int | None = None
    refusal: str | None = None
    finish_reason: str = "stop"
    usage: bool = True
    lines: tuple[str, ...] | None = None
    error_after: int | None = None

    def split(self, text: str) -> tuple[str, ...]:
        """The stream's pieces: words with the space before them, unless they are fixed."""
        return self.pieces if self.pieces is not None else tuple(re.findall(r"\s*\S+|\s+$", text))


def own_text(body: Mapping[str, Any]) -> str:
    """An answer that fits the schema, or quotes the first passages of the prompt, or says what was asked."""
    shape = (body.get("response_format") or {}).get("json_schema")
    if shape:
        import json

        return json.dumps(fitting(shape["schema"], shape["schema"]), ensure_ascii=False)
    said = "\n".join(_text_of(message) for message in body["messages"])
    passages = re.findall(r'<passage n="(\d+)"[^>]*>\n?(.*?)\n?</passage>', said, re.DOTALL)
    if passages:
        return " ".join(_cited(number, text) for number, text in passages[:2])
    return f"You said: {_text_of(body['messages'][-1])[:200]}"


def fitting(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """The plainest value that fits a schema of the strict subset."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return fitting(root["$defs"][name], root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if choices := schema.get("anyOf"):
        return fitting(choices[0], root)
    match schema.get("type"):
        case "object":
            return {name: fitting(value, root) for name, value in schema.get("properties", {}).items()}
        case "array":
            return [fitting(schema.get("items", {"type": "string"}), root)] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return "text"


def embedding(text: str, dimensions: int) -> list[float]:
    """A bag of words hashed into a vector of length one: texts with words in common are near each other."""
    vector = [0.0] * dimensions
    words = re.findall(r"\w+", text.lower()) or [""]
    pairs = [word[at : at + 2] for word in words if not word.isascii() for at in range(len(word) - 1)]
    for term in words + pairs:
        digest = hashlib.blake2b(term.encode(), digest_size=8).digest()
        vector[int.from_bytes(digest[:4]) % dimensions] += 1 if digest[4] & 1 else -1
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def count_tokens(text: str) -> int:
    """Good enough for `usage`."""
    return max(1, len(text) // 4)


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """The prompt's size for `usage`."""
    return sum(count_tokens(_text_of(message)) for message in body["messages"])


def _cited(number: str, text: str) -> str:
    sentence = re.split(r"(?<=[.!?。])\s|\n", text.strip())[0].strip()
    return f'{sentence} [{number}: "{sentence}"]'


def _text_of(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)
