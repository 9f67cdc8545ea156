"""The catalogues, escaping, and how moments are written."""

import ast
import json
import re
import string
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.contracts.conversation import CitationState
from shared.contracts.identity import Role
from shared.contracts.memory import STEPS, Emotion, EntryKind
from ui.core.i18n import LANGUAGES, preferred
from ui.parts.words import plain, shortened

_ROOT = Path(str(files("ui")))
_SOURCES = sorted(path for path in _ROOT.rglob("*.py"))


def _catalogue(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((_ROOT / "locales" / f"{language}.json").read_text(encoding="utf-8"))
    return found


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_every_key_with_the_same_fields() -> None:
    korean, english = (_catalogue(language) for language in LANGUAGES)
    assert korean.keys() == english.keys()
    assert [key for key in korean if _fields(korean[key]) != _fields(english[key])] == []
    assert [key for key in korean if not korean[key].strip() or not english[key].strip()] == []


def test_every_key_that_the_code_names_exists() -> None:
    used = {
        node.args[0].value
        for path in _SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "t"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert len(used) > 100
    assert used - _catalogue("en").keys() == set()


def test_every_value_of_the_contracts_has_a_word() -> None:
    keys = _catalogue("en").keys()
    wanted = {f"emotion.{label}" for label in get_args(Emotion)} | {f"kind.{kind}" for kind in get_args(EntryKind)}
    wanted |= {f"step.{step}" for step in STEPS} | {f"role.{role}" for role in get_args(Role)}
    wanted |= {f"citation.{state}" for state in get_args(CitationState)}
    assert wanted - keys == set()


def test_no_korean_or_shown_english_stands_in_the_code() -> None:
    """Hangul outside the catalogues is allowed only where it is grammar of dates."""
    found = [path.name for path in _SOURCES if re.search("[가-힣]", path.read_text(encoding="utf-8"))]
    assert found == ["when.py"]


def test_korean_texts_are_korean() -> None:
    formats = {f"runner.image.format.{name}" for name in ("jpeg", "png", "webp")}
    latin = {"language.own_name", "files.hint.audio"} | formats
    korean = _catalogue("ko")
    assert [key for key, text in korean.items() if key not in latin and not re.search("[가-힣]", text)] == []


@pytest.mark.parametrize(
    ("cookies", "asked", "language"),
    [
        ({}, "ko-KR,ko;q=0.9", "ko"),
        ({}, "en-US,ko;q=0.5", "en"),
        ({}, "", "en"),
        ({"maru_lang": "ko"}, "en", "ko"),
        ({"maru_lang": "xx"}, "ko", "ko"),
    ],
)
def test_the_chosen_language_comes_before_the_browsers(cookies: dict[str, str], asked: str, language: str) -> None:
    assert preferred(cookies, asked) == language


_ACTIVE = re.compile(r"(?<!\\)[*_\[\]<>`$#|!~]")


@given(st.text())
def test_escaped_text_has_no_active_markup_and_the_same_words(text: str) -> None:
    escaped = plain(text)
    assert _ACTIVE.search(escaped.replace("\\\\", "")) is None
    back = re.sub(r"\\([\\`*_{}\[\]<>#+!|$~:&-])", r"\1", escaped).replace("\u2060", "").replace("  \n", "\n")
    assert back == text.replace("\u2060", "").replace("  \n", "\n")


@pytest.mark.parametrize("text", ["https://evil.example/x", "www.evil.example", "someone@evil.example"])
def test_addresses_never_stand_whole(text: str) -> None:
    assert "://" not in plain(text)
    assert "www." not in plain(text)
    assert "@e" not in plain(text)


@given(st.text(), st.integers(min_value=8, max_value=200))
def test_shortening_keeps_the_limit_and_the_beginning(text: str, limit: int) -> None:
    short = shortened(text, limit)
    flat = " ".join(text.split())
    assert len(short) <= limit
    assert short == flat or (short.endswith("…") and flat.startswith(short[:-1]))
