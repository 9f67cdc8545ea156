"""Copies whole trees of objects that are written once: bytes, digest and disk in one go."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

_PIECE = 1 << 20
# Uploads that are under way: nobody was told yet that they are stored.
_DRAFTS = ".drafts"


def copy_tree(source: Path, target: Path, known: dict[str, str], prefix: str) -> int:
    """Copy what is not in `known` yet, and enter its digest there under `prefix`; how many bytes. What goes away meanwhile is passed over."""
    copied = 0
    for path in _files(source):
        name = f"{prefix}/{path.relative_to(source).as_posix()}"
        if name in known:
            continue
        try:
            known[name], size = copy_file(path, target / path.relative_to(source))
        except FileNotFoundError:
            continue
        copied += size
    return copied


def copy_file(source: Path, target: Path) -> tuple[str, int]:
    """Copy one file, for its owner's eyes, onto the disk; its digest and size."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reading:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as writing:
            while piece := reading.read(_PIECE):
                digest.update(piece)
                size += writing.write(piece)
            writing.flush()
            os.fsync(writing.fileno())
    return digest.hexdigest(), size


def settle(folder: Path) -> None:
    """Have the names in `folder` and below on the disk too."""
    for place, _, _ in os.walk(folder):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != _DRAFTS)
        for name in sorted(names):
            path = Path(place) / name
            if not path.is_symlink():
                yield path
