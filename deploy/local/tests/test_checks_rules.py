"""The repository's own rules find what they are for, and the repository keeps them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def rules() -> dict[str, ModuleType]:
    sys.path.insert(0, str(ROOT))
    try:
        return {
            name: importlib.import_module(f"deploy.checks.{name}")
            for name in ("sql_rule", "wall_rule", "size_rule", "locales")
        }
    finally:
        sys.path.remove(str(ROOT))


def tree(root: Path, **files: str) -> Path:
    (root / ".importlinter").write_text("api.entries")
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def placed(root: Path, path: str, text: str) -> Path:
    return tree(root, **{path: text})


SERVICE = "services/api/src/api/entries/service.py"


@pytest.mark.parametrize(
    "statement",
    [
        'await connection.execute("DELETE FROM entries")',
        'rows = await c.fetch(f"SELECT * FROM {table}")',
        'x = await c.fetchval("""\n  WITH a AS (SELECT 1) SELECT * FROM a""")',
        "import asyncpg",
        "from psycopg import connect",
        "import asyncpg\nx = asyncpg.connect('…')",
    ],
)
def test_sql_outside_a_store_is_found(rules: dict[str, ModuleType], tmp_path: Path, statement: str) -> None:
    body = "\n    ".join(statement.splitlines())
    assert list(rules["sql_rule"].check(placed(tmp_path, SERVICE, f"async def f(connection, c):\n    {body}\n")))


@pytest.mark.parametrize(
    "path",
    [
        "services/api/src/api/entries/store.py",
        "services/api/src/api/entries/reading_store.py",
        "services/inference/src/inference/queue.py",
        "shared/src/shared/streams/store.py",
        "shared/src/shared/outbox.py",
    ],
)
def test_sql_in_a_store_is_left_alone(rules: dict[str, ModuleType], tmp_path: Path, path: str) -> None:
    code = 'async def f(connection):\n    await connection.execute("DELETE FROM entries")\n'
    assert list(rules["sql_rule"].check(placed(tmp_path, path, code))) == []


def test_a_method_called_fetch_that_fetches_no_sql_is_left_alone(rules: dict[str, ModuleType], tmp_path: Path) -> None:
    code = 'async def f(client):\n    await client.fetch("https://example.org")\n    client.execute(plan)\n'
    assert list(rules["sql_rule"].check(placed(tmp_path, SERVICE, code))) == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("services/ui/src/ui/views/today.py", "from shared.db import Database\n"),
        ("services/worker/src/worker/loop.py", "import shared.storage\n"),
        ("services/ui/src/ui/views/today.py", "from shared import db\n"),
        ("services/ui/src/ui/views/today.py", "import httpx\n"),
        ("services/api/src/api/unlisted/routes.py", ""),
    ],
)
def test_a_hole_in_a_wall_is_found(rules: dict[str, ModuleType], tmp_path: Path, path: str, code: str) -> None:
    assert list(rules["wall_rule"].check(placed(tmp_path, path, code)))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (
            "services/ui/src/ui/views/today.py",
            "from shared.contracts.memory import Entry\nfrom shared.errors import Problem\n",
        ),
        ("services/ui/src/ui/core/api.py", "import httpx\n"),
        ("services/api/src/api/entries/routes.py", "from shared.db import Database\n"),
    ],
)
def test_a_door_in_a_wall_is_left_open(rules: dict[str, ModuleType], tmp_path: Path, path: str, code: str) -> None:
    assert list(rules["wall_rule"].check(placed(tmp_path, path, code))) == []


def test_long_files_and_functions_are_found(rules: dict[str, ModuleType], tmp_path: Path) -> None:
    code = "def long():\n" + "    x = 1\n" * 60 + "\n" * 340
    complaints = list(rules["size_rule"].check(placed(tmp_path, SERVICE, code)))
    assert len(complaints) == 2


def test_a_text_in_one_language_only_and_a_lost_placeholder_are_found(
    rules: dict[str, ModuleType], tmp_path: Path
) -> None:
    placed(tmp_path, "services/ui/src/ui/locales/en.json", '{"a": {"hello": "Hello {name}", "bye": "Bye"}}')
    placed(tmp_path, "services/ui/src/ui/locales/ko.json", '{"a": {"hello": "안녕하세요"}}')
    complaints = list(rules["locales"].check(tmp_path))
    assert len(complaints) == 2
    assert "'a.bye' is in one language only" in complaints[0]
    assert "'a.hello' has different placeholders" in complaints[1]


@pytest.mark.parametrize("name", ["sql_rule", "wall_rule", "size_rule", "locales"])
def test_the_repository_keeps_its_rules(rules: dict[str, ModuleType], name: str) -> None:
    assert list(rules[name].check(ROOT)) == []
