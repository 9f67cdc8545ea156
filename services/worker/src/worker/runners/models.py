"""Models in the operator's folder, found by name and never by path."""

from __future__ import annotations

import re
from pathlib import Path

from worker.runners.protocol import RunFailed

# A folder, or an owner's folder and one in it: `wan2.1`, `owner/model`.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
INDEX = "model_index.json"


def pipelines(root: Path) -> list[str]:
    """The names of the pipelines below `root`."""
    found = [
        folder.parent.relative_to(root).as_posix() for depth in ("*", "*/*") for folder in root.glob(f"{depth}/{INDEX}")
    ]
    return sorted(name for name in found if _NAME.fullmatch(name))


def folder_of(root: Path, name: str) -> Path:
    """The folder of a model. Raises `RunFailed` for a name that is none, leads out of `root`, or is not there."""
    folder = (root / name).resolve() if _NAME.fullmatch(name) else root
    # The operator may link a model in from elsewhere, but a name may not: it has no dots to climb with.
    if folder == root or not (folder / INDEX).is_file():
        raise RunFailed("model_missing", f"This worker has no model {name[:100]!r}.", retryable=True)
    return folder
