"""`maru restore`: a backup becomes an installation, wholly or not at all.

All work happens in `restoring/` inside the home. When everything is there and checked, a mark is set and the parts move to their places; whoever
finds the mark moves the rest. A home that holds `restoring/` is not started.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from maru.backup import manifest as about
from maru.backup import programs
from maru.backup.copying import copy_tree, settle
from maru.errors import CannotStart
from maru.home import RESTORING, Home, make_private, socket_folder
from maru.postgres import EmbeddedPostgres, strays
from maru.postgres.schema import migrate, refuse_newer
from maru.postgres.wheel import MAJOR_VERSION

_COMPLETE = "complete"
# The database last: without it the others say nothing, and with it the home is a Maru.
_PARTS = ("files", "secrets", "pg")


def restore(source: Path, env: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Make the home of `env` from the backup in `source`; how many entries will be indexed anew at its first start."""
    from shared.settings import maru_home

    home = Home(maru_home(env))
    work = home.folder / RESTORING
    complete = (work / _COMPLETE).exists()
    if not complete:
        about.read(source)
    _check_home(home, complete=complete)
    if complete:
        say("an earlier restore was interrupted at its very end, and is finished now")
        with _locked(home):
            return _finish(home, work)
    manifest = check(source)
    with _locked(home):
        _clear(work)
        try:
            make_private(work)
            entries = _fill(source, work, manifest, say)
            (work / _COMPLETE).write_text(str(entries))
            settle(work)
            return _finish(home, work)
        except OSError as problem:
            _give_up(work)
            raise CannotStart(
                f"The backup could not be restored ({(problem.strerror or str(problem)).lower()}): free some space, or set MARU_HOME "
                "to another disk. Nothing of it was left."
            ) from None
        except BaseException:
            _give_up(work)
            raise


def check(source: Path) -> about.Manifest:
    """Read all of a backup and refuse what this release cannot use."""
    from migrations import head_revision

    manifest = about.read(source)
    if manifest.postgres != MAJOR_VERSION:
        raise CannotStart(
            f"The backup comes from Postgres {manifest.postgres}, and this Maru runs Postgres {MAJOR_VERSION}: restore it with Maru {manifest.maru}."
        )
    refuse_newer(manifest.schema or None, head_revision())
    about.verify(source, manifest)
    return manifest


def _check_home(home: Home, *, complete: bool) -> None:
    if home.owner() is not None:
        raise CannotStart(f"Maru runs on {home.folder}: stop it, or set MARU_HOME to an empty folder.")
    taken = [part for part in (*_PARTS, "vectors") if _holds_something(home.folder / part)]
    if taken and not complete:
        raise CannotStart(
            f"{home.folder} holds a Maru already ({', '.join(taken)}): move it away, or set MARU_HOME to an empty folder."
        )


def _holds_something(folder: Path) -> bool:
    return folder.exists() and next(folder.iterdir(), None) is not None


@contextmanager
def _locked(home: Home) -> Generator[None]:
    """The home, for nobody else."""
    home.prepare(restoring=True)
    home.lock()
    try:
        yield
    finally:
        home.unlock()


def _fill(source: Path, work: Path, manifest: about.Manifest, say: Callable[[str], None]) -> int:
    say(
        f"backup of {manifest.made_at}, Maru {manifest.maru}, schema {manifest.schema}: every byte is as it was written"
    )
    say("files …")
    sums: dict[str, str] = {}
    for part in (about.FILES, about.SECRETS):
        make_private(work / part)
        copy_tree(source / part, work / part, sums, part)
    say("database …")
    postgres = EmbeddedPostgres(work, dies_with_parent=True)
    try:
        postgres.start()
        programs.restore(postgres.dsn(), source / about.DUMP, source / about.ROLES)
        migrate(postgres.dsn())
        return asyncio.run(_promise_vectors(postgres.dsn("maru_ingest")))
    finally:
        postgres.stop()
        shutil.rmtree(socket_folder(work), ignore_errors=True)


async def _promise_vectors(dsn: str) -> int:
    """Vectors are no part of a backup: their making is promised in the database, and kept at the first start."""
    from ingest import reindex
    from shared.db import Database
    from shared.outbox import NotifyRelay

    database = Database(dsn, max_size=2)
    try:
        return await reindex.run(database, NotifyRelay(database), run_id="restore")
    finally:
        await database.close()


def _finish(home: Home, work: Path) -> int:
    entries = int((work / _COMPLETE).read_text() or 0)
    for part in _PARTS:
        if (work / part).exists():
            # Home.prepare may have made it, empty.
            if (home.folder / part).exists():
                (home.folder / part).rmdir()
            (work / part).rename(home.folder / part)
    descriptor = os.open(home.folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    shutil.rmtree(work)
    return entries


def _clear(work: Path) -> None:
    """Remove what an interrupted restore left: it is ours, and not complete. Its server may still be ending."""
    left_behind = EmbeddedPostgres(work)
    strays.stop(left_behind.data, left_behind.cluster)
    shutil.rmtree(work, ignore_errors=True)


def _give_up(work: Path) -> None:
    if not (work / _COMPLETE).exists():
        shutil.rmtree(work, ignore_errors=True)
