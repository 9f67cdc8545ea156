"""The archive's format and names, as other programs read them."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from api.jobs.archive import ArchiveEntry, ArchiveWriter
from api.jobs.result_names import ResultNames
from hypothesis import given
from hypothesis import strategies as st

WHEN = datetime(2026, 11, 21, 13, 37, 42, tzinfo=UTC)
GIB = 2**30


def written(files: dict[str, bytes], modified: datetime = WHEN) -> bytes:
    writer = ArchiveWriter()
    parts = []
    for name, data in files.items():
        parts += [writer.header(ArchiveEntry(name, len(data), zlib.crc32(data), modified)), data]
    return b"".join([*parts, writer.end()])


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=40)


@given(st.dictionaries(NAMES, st.binary(max_size=300), max_size=8))
def test_what_goes_in_comes_out(files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(written(files))) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == files
        assert [info.filename for info in archive.infolist()] == list(files)


def test_every_header_says_how_long_its_entry_is() -> None:
    """Readers from front to back, and macOS, need that of a stored entry."""
    with zipfile.ZipFile(io.BytesIO(written({"고양이.png": b"abc"}))) as archive:
        [info] = archive.infolist()
    assert (info.flag_bits & 0x08, info.compress_type, info.file_size) == (0, zipfile.ZIP_STORED, 3)
    assert info.date_time == (2026, 11, 21, 13, 37, 42)
    assert info.external_attr >> 16 == 0o100644


@pytest.mark.parametrize("reader", [["unzip", "-t"], ["jar", "tf"]])
def test_other_programs_read_it(reader: list[str], tmp_path: Path) -> None:
    if shutil.which(reader[0]) is None:
        pytest.skip(f"{reader[0]} is not installed here")
    path = tmp_path / "results.zip"
    path.write_bytes(written({"고양이.png": b"abc", "empty.txt": b"", "large.bin": bytes(2**20)}))
    ended = subprocess.run([*reader, path], capture_output=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_reader_from_front_to_back_needs_no_directory(tmp_path: Path) -> None:
    """As `jar x` reads from its standard input."""
    if shutil.which("jar") is None:
        pytest.skip("jar is not installed here")
    subprocess.run(["jar", "x"], input=written({"a.txt": b"abc", "b.txt": b"def"}), cwd=tmp_path, check=True)
    assert [(tmp_path / name).read_bytes() for name in ("a.txt", "b.txt")] == [b"abc", b"def"]


@pytest.mark.parametrize("moment", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)])
def test_times_that_zip_cannot_hold_become_the_nearest(moment: datetime) -> None:
    with zipfile.ZipFile(io.BytesIO(written({"a": b""}, moment))) as archive:
        assert archive.infolist()[0].date_time[0] in {1980, 2107}


def test_more_entries_than_the_old_format_counts() -> None:
    with zipfile.ZipFile(io.BytesIO(written({f"{number}.txt": b"x" for number in range(65_536)}))) as archive:
        assert len(archive.infolist()) == 65_536
        assert archive.read("65535.txt") == b"x"


def test_entries_and_offsets_beyond_four_gib(tmp_path: Path) -> None:
    """A hole stands for the bytes, so that this needs no disk; what is read are headers and the entry after it."""
    path, writer, hole = tmp_path / "large.zip", ArchiveWriter(), 4 * GIB + 5
    last = b"the last one"
    with path.open("wb") as file:
        file.write(writer.header(ArchiveEntry("hole.bin", hole, 0, WHEN)))
        file.seek(hole, io.SEEK_CUR)
        file.write(writer.header(ArchiveEntry("last.txt", len(last), zlib.crc32(last), WHEN)) + last + writer.end())
    with zipfile.ZipFile(path) as archive:
        assert [(info.filename, info.file_size) for info in archive.infolist()] == [
            ("hole.bin", hole),
            ("last.txt", len(last)),
        ]
        assert archive.read("last.txt") == last
        with archive.open("hole.bin") as entry:
            assert entry.read(1000) == bytes(1000)


def test_an_archive_without_entries_is_one() -> None:
    assert zipfile.ZipFile(io.BytesIO(written({}))).infolist() == []


def given_names(*results: tuple[str | None, str | None, str | None]) -> list[str]:
    names = ResultNames()
    return [names.next(seq, *result) for seq, result in enumerate(results)]


def test_a_result_is_called_as_its_input_with_its_own_extension() -> None:
    assert given_names(
        ("고양이.jpeg", "result.png", "image/png"),
        ("고양이.jpeg", "result.png", "image/png"),
        ("고양이.PNG", "result.PNG", "image/png"),
        ("clip.v2.mov", None, "video/mp4"),
        (None, "mask.webp", "image/webp"),
        (None, None, "image/png"),
        (None, None, None),
        ("no extension", "x.tar.gz", None),
    ) == ["고양이.png", "고양이 (2).png", "고양이 (3).PNG", "clip.v2.mp4", "mask.webp", "00006.png", "00007", "no extension.gz"]  # fmt: skip


@pytest.mark.parametrize(
    ("given_name", "safe"),
    [
        ("../../etc/passwd", "_.._etc_passwd.png"),
        ("C:\\Windows\\cmd.exe", "C__Windows_cmd.png"),
        ("CON.png", "_CON.png"),
        ("aux", "_aux.png"),
        ("a\u202egnp.exe", "a_gnp.png"),
        (".hidden", "hidden.png"),
        ("...", "00001.png"),
        ("x" * 300, "x" * 120 + ".png"),
    ],
)
def test_names_are_safe_wherever_they_are_unpacked(given_name: str, safe: str) -> None:
    assert given_names((given_name, "r.png", None)) == [safe]


@given(
    st.lists(
        st.tuples(st.none() | st.text(max_size=30), st.none() | st.text(max_size=12), st.none() | st.just("image/png")),
        max_size=30,
    )
)
def test_no_two_results_share_a_name(results: list[tuple[str | None, str | None, str | None]]) -> None:
    names = given_names(*results)
    assert len({name.casefold() for name in names}) == len(results)
    for name in names:
        assert name == name.strip(" .")
        assert not set(name) & set('/\\:*?"<>|\0\n')
        assert 0 < len(name) <= 140
