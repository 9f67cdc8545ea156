"""`maru backup`: everything of an installation that cannot be made again, while it goes on working."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from maru.backup import manifest as about
from maru.backup import programs
from maru.backup.copying import copy_file, copy_tree, settle
from maru.commands.database import database_of
from maru.errors import CannotStart
from maru.home import Home
from maru.postgres.wheel import MAJOR_VERSION
from maru.release import release

_MARK = ".maru-backup"


@dataclass(frozen=True, slots=True)
class Report:
    """What was copied."""

    folder: Path
    files: int
    bytes: int


def take(target: Path, env: Mapping[str, str], say: Callable[[str], None], *, secrets: bool = True) -> Report:
    """Write a backup to `target`, which must not exist yet. Under that name it is complete; before, it is `target.unfinished`.

    What was acknowledged before this began is in it. Files are copied before and after the database's snapshot: whatever the snapshot names is
    there, also what somebody deletes meanwhile.
    """
    from shared.settings import maru_home

    home = Home(maru_home(env))
    _check(home, target, env)
    with _unfinished(target) as folder, database_of(home, env) as dsn_of:
        dsn = dsn_of("postgres")
        sums: dict[str, str] = {}
        say("files …")
        size = copy_tree(home.folder / "files", folder / about.FILES, sums, about.FILES)
        say("database …")
        programs.dump_roles(dsn, folder / about.ROLES)
        programs.dump(dsn, folder / about.DUMP)
        for name in (about.DUMP, about.ROLES):
            (folder / name).chmod(0o600)
            sums[name] = about.digest(folder / name)
        size += copy_tree(home.folder / "files", folder / about.FILES, sums, about.FILES)
        if secrets:
            for path in sorted(path for path in home.secrets.iterdir() if path.is_file() and path.suffix != ".new"):
                sums[f"{about.SECRETS}/{path.name}"], _ = copy_file(path, folder / about.SECRETS / path.name)
        _seal(folder, dsn, sums, size, with_secrets=secrets)
    return Report(target, sum(name.startswith(f"{about.FILES}/") for name in sums), size)


def _check(home: Home, target: Path, env: Mapping[str, str]) -> None:
    for variable, where in (("DATABASE_URL", "the database"), ("R2_ENDPOINT", "the files")):
        if env.get(variable):
            raise CannotStart(
                f"{variable} is set, so {where} of this Maru lies elsewhere and is backed up there: docs/operations.md says how."
            )
    if not (home.folder / "pg").exists():
        raise CannotStart(f"There is nothing to back up in {home.folder}: set MARU_HOME to the folder of a Maru.")
    if target.resolve().is_relative_to(home.folder / "files"):
        raise CannotStart(f"{target} lies inside what is backed up: name a place outside {home.folder}.")
    if target.exists():
        raise CannotStart(f"{target} exists already: name a folder that does not, such as {target}-2.")
    if not target.parent.is_dir():
        raise CannotStart(f"The folder {target.parent} does not exist: make it, or name another place.")


@contextmanager
def _unfinished(target: Path) -> Generator[Path]:
    """A folder that gets its name when it is complete, and is gone when that does not come about."""
    folder = target.with_name(target.name + about.UNFINISHED)
    if folder.is_dir() and _is_ours(folder):
        shutil.rmtree(folder)
    try:
        folder.mkdir(mode=0o700)
    except OSError as problem:
        raise CannotStart(
            f"{folder} cannot be made ({(problem.strerror or 'unknown').lower()}): name another place."
        ) from None
    try:
        (folder / _MARK).touch()
        yield folder
        (folder / _MARK).unlink()
        settle(folder)
        folder.rename(target)
    except OSError as problem:
        shutil.rmtree(folder, ignore_errors=True)
        raise CannotStart(
            f"The backup could not be written ({(problem.strerror or str(problem)).lower()}): free some space, or name another place. "
            "Nothing of it was left."
        ) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _is_ours(folder: Path) -> bool:
    """Whether an interrupted backup left it, at whichever moment."""
    return any((folder / name).exists() for name in (_MARK, about.MANIFEST)) or next(folder.iterdir(), None) is None


def _seal(folder: Path, dsn: str, sums: dict[str, str], size: int, *, with_secrets: bool) -> None:
    from migrations import current_revision

    about.Manifest(
        format=about.FORMAT,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        maru=release(),
        postgres=MAJOR_VERSION,
        schema=current_revision(dsn) or "",
        files=sum(name.startswith(f"{about.FILES}/") for name in sums),
        bytes=size,
        with_secrets=with_secrets,
        sums_sha256=about.write_sums(folder, sums),
    ).write(folder)
