"""What a backup lists is there as it was, is inside of it, and is all there is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from maru.backup.copying import copy_tree
from maru.backup.manifest import DUMP, FORMAT, SUMS, Manifest, digest, read, verify, write_sums
from maru.errors import CannotStart


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "spaces" / "a").mkdir(parents=True)
    (folder / "spaces" / "a" / "사진~").write_bytes(b"photo" * 1000)
    (folder / ".drafts").mkdir()
    (folder / ".drafts" / "half").write_bytes(b"half")
    (folder / "link").symlink_to("/etc/passwd")
    return folder


@pytest.fixture
def backup(source: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "backup"
    sums: dict[str, str] = {}
    copy_tree(source, folder / "files", sums, "files")
    (folder / DUMP).write_bytes(b"dump")
    sums[DUMP] = digest(folder / DUMP)
    seal(folder, sums)
    return folder


def seal(folder: Path, sums: dict[str, str]) -> None:
    Manifest(FORMAT, "2026-11-21T00:00:00+00:00", "0.1.0", 18, "0009", 1, 5000, False, write_sums(folder, sums)).write(
        folder
    )


def test_files_are_copied_without_drafts_and_links_and_only_once(source: Path, tmp_path: Path) -> None:
    known: dict[str, str] = {}
    assert copy_tree(source, tmp_path / "copy", known, "files") == 5000
    assert list(known) == ["files/spaces/a/사진~"]
    (source / "spaces" / "a" / "new~").write_bytes(b"new")
    assert copy_tree(source, tmp_path / "copy", known, "files") == 3
    assert (tmp_path / "copy" / "spaces" / "a" / "new~").read_bytes() == b"new"
    assert not (tmp_path / "copy" / "link").exists()


def test_a_whole_backup_is_found_whole(backup: Path) -> None:
    verify(backup, read(backup))


def changed(folder: Path) -> None:
    (folder / "files" / "spaces" / "a" / "사진~").write_bytes(b"other")


def missing(folder: Path) -> None:
    (folder / DUMP).unlink()


def added(folder: Path) -> None:
    (folder / "files" / "added").write_bytes(b"x")


def linked(folder: Path) -> None:
    (folder / "files" / "linked").symlink_to("/etc/passwd")


def listed_anew(folder: Path) -> None:
    (folder / SUMS).write_text("")


def names_outside(folder: Path) -> None:
    seal(folder, {"../outside": "0" * 64})


def names_root(folder: Path) -> None:
    seal(folder, {"/etc/passwd": "0" * 64})


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (changed, "사진~ in .* has changed"),
        (missing, "database.dump cannot be read"),
        (added, "files/added in .* is no part of the backup"),
        (linked, "files/linked in .* is no part of the backup"),
        (listed_anew, "The list SHA256SUMS of .* has changed"),
        (names_outside, "which is outside the backup"),
        (names_root, "which is outside the backup"),
    ],
    ids=["changed", "missing", "added", "linked", "listed", "outside", "root"],
)
def test_what_is_not_as_it_was_is_named(backup: Path, harm: Callable[[Path], None], sentence: str) -> None:
    harm(backup)
    with pytest.raises(CannotStart, match=sentence):
        verify(backup, read(backup))


def test_a_manifest_of_another_kind_is_refused(backup: Path) -> None:
    document = json.loads((backup / "manifest.json").read_text())
    (backup / "manifest.json").write_text(json.dumps(document | {"format": 2, "maru": "9.0"}))
    with pytest.raises(CannotStart, match=r"newer Maru \(9\.0\)"):
        read(backup)
    (backup / "manifest.json").write_text("{}")
    with pytest.raises(CannotStart, match="cannot be read"):
        read(backup)
