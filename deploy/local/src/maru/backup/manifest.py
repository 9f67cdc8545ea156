"""What a backup says about itself, and whether it is whole.

A backup is a folder: `manifest.json`, `SHA256SUMS` (as `sha256sum -c` reads it), `database.dump`, `roles.sql`, `files/`, `secrets/`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from maru.errors import CannotStart

FORMAT = 1
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
DUMP = "database.dump"
ROLES = "roles.sql"
FILES = "files"
SECRETS = "secrets"
UNFINISHED = ".unfinished"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Which release and schema it came from; `sums_sha256` seals everything else."""

    format: int
    made_at: str
    maru: str
    postgres: int
    schema: str
    files: int
    bytes: int
    with_secrets: bool
    sums_sha256: str

    def write(self, folder: Path) -> None:
        """Last of all: a folder without it is no backup."""
        (folder / MANIFEST).write_text(json.dumps(asdict(self), indent=2) + "\n")


def read(folder: Path) -> Manifest:
    """The manifest of a backup, or a sentence about why there is none."""
    if folder.name.endswith(UNFINISHED):
        raise CannotStart(f"{folder} is a backup that was interrupted: use another one; this one can be removed.")
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text()))
    except FileNotFoundError:
        raise CannotStart(f"{folder} is no backup: it has no {MANIFEST}.") from None
    except (OSError, ValueError, TypeError):
        raise CannotStart(f"The {MANIFEST} of {folder} cannot be read: use another backup.") from None
    if manifest.format != FORMAT:
        raise CannotStart(
            f"{folder} was written by a newer Maru ({manifest.maru}): restore it with that release, then update."
        )
    return manifest


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path, sums: dict[str, str]) -> str:
    """Write the list, and give its own digest."""
    path = folder / SUMS
    path.write_text("".join(f"{value}  {name}\n" for name, value in sorted(sums.items())))
    return digest(path)


def verify(folder: Path, manifest: Manifest) -> None:
    """Read every byte of it; what is missing or has changed is named."""
    try:
        if digest(folder / SUMS) != manifest.sums_sha256:
            raise CannotStart(f"The list {SUMS} of {folder} has changed since it was written: use another backup.")
        sums = dict(_sums(folder))
        for name, expected in sums.items():
            if digest(folder / name) != expected:
                raise CannotStart(f"{name} in {folder} has changed since the backup was made: use another one.")
        if added := _everything(folder) - sums.keys() - {MANIFEST, SUMS}:
            raise CannotStart(f"{min(added)} in {folder} is no part of the backup: use another one.")
    except OSError as problem:
        raise CannotStart(
            f"{problem.filename or folder} cannot be read ({(problem.strerror or 'unknown').lower()}): use another backup."
        ) from None


def _everything(folder: Path) -> set[str]:
    """Every name that is no folder, links included."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(folder).as_posix() for path in found}


def _sums(folder: Path) -> Iterator[tuple[str, str]]:
    for line in (folder / SUMS).read_text().splitlines():
        value, _, name = line.partition("  ")
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not name:
            raise CannotStart(f"{SUMS} of {folder} names {name!r}, which is outside the backup: use another one.")
        yield name, value
