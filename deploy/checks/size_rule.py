"""A file is read in one sitting, a function on one screen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from deploy.checks.sources import product

FILE_LINES = 400
FUNCTION_LINES = 60


def check(root: Path) -> Iterator[str]:
    """The files and functions that are too long."""
    for source in product(root):
        lines = len(source.text.split("\n")) - source.text.endswith("\n")
        if lines > FILE_LINES:
            yield f"{source.path}:1: {lines} lines in one file, {FILE_LINES} at most"
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    yield f"{source.path}:{node.lineno}: {node.name} is {length} lines long, {FUNCTION_LINES} at most"
