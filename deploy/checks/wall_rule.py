"""The walls that are easier to say as "only these" than as import-linter's "never those"."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from deploy.checks.sources import Source, product

# The web app and the worker run where nothing of ours can be trusted with a key: they speak HTTP.
_ONLY_CONTRACTS = frozenset({"ui", "worker"})
_ALLOWED_OF_SHARED = ("shared.contracts", "shared.errors")
_HTTP_IN_UI = ("services/ui/src/ui/core/api", "services/ui/src/ui/core/sse", "services/ui/src/ui/edge/")


def check(root: Path) -> Iterator[str]:
    """The imports that pass through a wall, and the features no wall is built around."""
    contracts = (root / ".importlinter").read_text(encoding="utf-8").split()
    for routes in sorted(root.glob("services/api/src/api/*/routes.py")):
        if f"api.{routes.parent.name}" not in contracts:
            yield f"{routes.relative_to(root)}:1: the feature api.{routes.parent.name} is missing in .importlinter"
    for source in product(root):
        for line, module in _imports(source):
            if (
                source.package in _ONLY_CONTRACTS
                and _is(module, "shared")
                and not any(_is(module, allowed) for allowed in _ALLOWED_OF_SHARED)
            ):
                yield f"{source.path}:{line}: {source.package} may import of shared only contracts and errors, not {module}"
            if source.package == "ui" and _is(module, "httpx") and not source.path.startswith(_HTTP_IN_UI):
                yield f"{source.path}:{line}: only ui/core/api, ui/core/sse and ui/edge speak HTTP"


def _imports(source: Source) -> Iterator[tuple[int, str]]:
    for node in ast.walk(source.tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from ((node.lineno, f"{module}.{name.name}" if module == "shared" else module) for name in names)
            case _:
                continue


def _is(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")
