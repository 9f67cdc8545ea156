"""Where the repository's own rules begin and end: what is just allowed, what is just not, and the words of a complaint."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]
SERVICE = "services/api/src/api/entries/service.py"


def rule(name: str) -> ModuleType:
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module(f"deploy.checks.{name}")
    finally:
        sys.path.remove(str(ROOT))


def complaints(name: str, root: Path, path: str, text: str) -> list[str]:
    (root / ".importlinter").write_text("api.entries")
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    found: list[str] = list(rule(name).check(root))
    return found


def called_with(argument: str) -> str:
    return f"async def f(c, x):\n    # a line\n    await c.fetch({argument})\n"


@pytest.mark.parametrize(
    "argument",
    [
        '"SELECT 1"',
        '"select" + x',
        '"SELECT * FROM " + x + " LIMIT 1"',
        '"\\tDELETE FROM entries"',
        '"""-- why\n    SELECT 1"""',
        '"(SELECT 1)"',
        '"DO $$ BEGIN END $$"',
        '"MERGE INTO entries USING x"',
        'f"UPDATE {x} SET a = 1"',
        '"COMMIT;"',
    ],
)
def test_a_statement_is_found_with_its_line_and_its_reason(tmp_path: Path, argument: str) -> None:
    assert complaints("sql_rule", tmp_path, SERVICE, called_with(argument)) == [
        f"{SERVICE}:3: SQL outside a store or queue module"
    ]


@pytest.mark.parametrize(
    "argument",
    [
        '"settings"',
        '"selection"',
        '"without"',
        '"updates/today"',
        '"locker"',
        '"document"',
        '""',
        "x",
        "b'SELECT'",
        "1",
    ],
)
def test_a_word_that_only_begins_like_a_statement_is_none(tmp_path: Path, argument: str) -> None:
    assert complaints("sql_rule", tmp_path, SERVICE, called_with(argument)) == []


@given(st.text(st.characters(categories=["Ll", "Lu"]), min_size=1, max_size=8))
def test_no_word_alone_with_letters_after_its_verb_is_a_statement(
    tmp_path_factory: pytest.TempPathFactory, tail: str
) -> None:
    found = complaints("sql_rule", tmp_path_factory.mktemp("r"), SERVICE, called_with(repr(f"create{tail}")))
    assert found == []


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("shared/src/shared/db/pool.py", True),
        ("shared/src/shared/testing/peer.py", True),
        ("deploy/local/src/maru/postgres/server.py", True),
        ("deploy/local/src/maru/doctor_store.py", False),
        ("services/api/src/api/entries/store.py", False),
        ("services/api/tests/test_x.py", True),
    ],
)
def test_a_driver_is_imported_where_connections_are_made_and_nowhere_else(
    tmp_path: Path, path: str, allowed: bool
) -> None:
    expected = [] if allowed else [f"{path}:1: a database driver outside shared.db"]
    assert complaints("sql_rule", tmp_path, path, "import asyncpg.pool\n") == expected


@pytest.mark.parametrize(
    ("lines", "end", "long"), [(400, "\n", False), (400, "", False), (401, "\n", True), (401, "", True)]
)
def test_a_file_may_have_400_lines_with_or_without_a_last_line_end(
    tmp_path: Path, lines: int, end: str, long: bool
) -> None:
    found = complaints("size_rule", tmp_path, SERVICE, "\n".join(["x = 1"] * lines) + end)
    assert found == ([f"{SERVICE}:1: 401 lines in one file, 400 at most"] if long else [])


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("lines", [60, 61])
def test_a_function_may_have_60_lines(tmp_path: Path, kind: str, lines: int) -> None:
    text = f"x = 1\n\n\n{kind} long():\n" + "    x = 1\n" * (lines - 1)
    found = complaints("size_rule", tmp_path, SERVICE, text)
    assert found == ([] if lines == 60 else [f"{SERVICE}:4: long is 61 lines long, 60 at most"])


def test_a_hole_is_told_with_its_line_and_what_may_be_imported(tmp_path: Path) -> None:
    path = "services/worker/src/worker/loop.py"
    (found,) = complaints("wall_rule", tmp_path, path, "import json\nfrom shared.db import Database\n")
    assert found == f"{path}:2: worker may import of shared only contracts and errors, not shared.db"


@pytest.mark.parametrize("module", ["shared.contractsish", "shared.errors_of_others", "shared"])
def test_a_name_that_only_begins_like_an_allowed_one_is_not_allowed(tmp_path: Path, module: str) -> None:
    assert complaints("wall_rule", tmp_path, "services/ui/src/ui/app.py", f"import {module}\n")


def test_a_feature_whose_name_is_part_of_a_listed_one_is_still_missing(tmp_path: Path) -> None:
    (found,) = complaints("wall_rule", tmp_path, "services/api/src/api/entrie/routes.py", "")
    assert "the feature api.entrie is missing in .importlinter" in found


def told(root: Path, **texts: Any) -> list[str]:
    folder = root / "services/ui/src/ui/locales"
    folder.mkdir(parents=True)
    for language, text in texts.items():
        (folder / f"{language}.json").write_text(json.dumps(text), "utf-8")
    found: list[str] = list(rule("locales").check(root))
    return found


@pytest.mark.parametrize(("there", "missing"), [("en", "ko"), ("ko", "en")])
def test_a_language_that_is_missing_altogether_is_named(tmp_path: Path, there: str, missing: str) -> None:
    assert told(tmp_path, **{there: {"a": "x"}}) == [f"services/ui/src/ui/locales: {missing}.json is missing"]


keys = st.dictionaries(
    st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.sampled_from(["x", "{a}", "{a} {b}", "{b} {a}"]), max_size=5
)


@given(keys, keys)
def test_two_languages_agree_exactly_when_their_keys_and_placeholders_do(
    tmp_path_factory: pytest.TempPathFactory, english: dict[str, str], korean: dict[str, str]
) -> None:
    found = told(tmp_path_factory.mktemp("l"), en=english, ko=korean)
    differing = {key for key in english.keys() & korean.keys() if {*english[key]} != {*korean[key]}}
    assert len(found) == len(english.keys() ^ korean.keys()) + len(differing)


def test_the_command_is_silent_when_all_is_well() -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "deploy.checks"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (outcome.returncode, outcome.stdout) == (0, "")
