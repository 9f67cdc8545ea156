"""SQL lives in store and queue modules, on a connection that somebody else opened inside a transaction.

Two rules. A call of a connection's method (`execute`, `fetch`, …) with a statement is allowed only in those modules, in the mechanisms of `shared`,
and in the runtime's own queue and server modules. A connection is had only by `tenant_tx`, `space_tx`, `dispatch_tx` or `service_tx`: whoever
calls a driver's `connect`, `acquire` or `create_pool` elsewhere could forget the role, and with it row-level security.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path, PurePath

from deploy.checks.sources import Source, product

_METHODS = frozenset({"execute", "executemany", "fetch", "fetchrow", "fetchval", "copy_records_to_table", "cursor"})
_OPENERS = frozenset({"connect", "create_pool", "acquire"})
_DRIVERS = frozenset({"asyncpg", "psycopg"})
_VERBS = (
    "select",
    "insert",
    "update",
    "delete",
    "with",
    "begin",
    "commit",
    "rollback",
    "create",
    "alter",
    "drop",
    "notify",
    "listen",
    "set",
    "truncate",
    "lock",
    "merge",
    "copy",
    "do",
    "grant",
    "revoke",
)
_STATEMENT = re.compile(rf"(\s|\(|--[^\n]*\n)*({'|'.join(_VERBS)})(\s|\(|;|$)", re.IGNORECASE)
_MECHANISMS = (
    "shared/src/shared/db/",
    "shared/src/shared/streams/",
    "shared/src/shared/testing/",
    "deploy/migrations/",
    "deploy/local/src/maru/postgres/",
)
_MECHANISM_FILES = frozenset({"shared/src/shared/outbox.py", "shared/src/shared/inbox.py"})


def check(root: Path) -> Iterator[str]:
    """The places that break the rule."""
    for source in product(root):
        if not _is_store(source.path):
            yield from _statements(source)
        if not source.path.startswith(
            (
                "shared/src/shared/db/",
                "shared/src/shared/testing/",
                "deploy/migrations/",
                "deploy/local/src/maru/postgres/",
            )
        ):
            yield from _connections(source)


def _is_store(path: str) -> bool:
    name = PurePath(path).name
    return (
        name in {"store.py", "queue.py"}
        or name.endswith("_store.py")
        or path in _MECHANISM_FILES
        or path.startswith(_MECHANISMS)
    )


def _statements(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _METHODS
            and _is_sql(node.args)
        ):
            yield f"{source.path}:{node.lineno}: SQL outside a store or queue module"


def _is_sql(arguments: list[ast.expr]) -> bool:
    if not arguments:
        return False
    first = arguments[0]
    while isinstance(first, ast.BinOp):
        first = first.left
    if isinstance(first, ast.JoinedStr) and first.values:
        first = first.values[0]
    return (
        isinstance(first, ast.Constant) and isinstance(first.value, str) and _STATEMENT.match(first.value) is not None
    )


def _connections(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=driver), attr=opener)) if (
                driver in _DRIVERS and opener in _OPENERS
            ):
                yield f"{source.path}:{node.lineno}: a connection outside tenant_tx, space_tx, dispatch_tx and service_tx"
            case ast.Import(names=names) if any(name.name.split(".")[0] in _DRIVERS for name in names):
                yield f"{source.path}:{node.lineno}: a database driver outside shared.db"
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in _DRIVERS:
                yield f"{source.path}:{node.lineno}: a database driver outside shared.db"
            case _:
                continue
