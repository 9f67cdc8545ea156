"""The process that reads a stranger's file may have been taken over: what it answers is checked like the file itself."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest.parse import parse_document, read_audio_details
from ingest.parse.errors import FileBroken, FileTypeUnsupported
from ingest.photos import read_photo
from ingest.sandbox import Sandbox
from ingest.sandbox_wire import Output, decode_answer, encode_answer

GOOD_DOCUMENT = {"title": "제목", "pages": [[0, 2], [4, 6]], "meta": {"encoding": "utf-8"}, "language": "ko"}
GOOD_AUDIO = {
    "duration_s": 1.5,
    "title": "노래",
    "artist": None,
    "sample_rate": 8000,
    "channels": 1,
    "bitrate_kbps": 128.0,
}
GOOD_PHOTO = {
    "width": 4,
    "height": 3,
    "taken_at": "2024-05-01T09:00:00",
    "camera": "Maru 1",
    "location": [37.5, 127.0],
    "original_type": "image/jpeg",
    "changed": False,
}


class Liar:
    """Stands for the sandbox and answers what it is told; it remembers what it was asked."""

    def __init__(self, facts: dict[str, Any], blobs: Sequence[bytes] = ()) -> None:
        self.output = Output(facts, blobs)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def run(self, job: str, path: Path, options: dict[str, Any], limits: object = None) -> Output:
        self.asked.append((job, options))
        return self.output


def sandbox(facts: dict[str, Any], *blobs: bytes) -> Sandbox:
    return cast("Sandbox", Liar(facts, blobs))


async def test_an_honest_answer_is_a_document(tmp_path: Path) -> None:
    liar = Liar(GOOD_DOCUMENT, ["가나\n\n다라".encode()])
    parsed = await parse_document(cast("Sandbox", liar), tmp_path, "application/octet-stream", "a.MD")
    assert (parsed.text, parsed.title, parsed.language) == ("가나\n\n다라", "제목", "ko")
    assert [parsed.text[start:end] for start, end in parsed.pages] == ["가나", "다라"]
    assert liar.asked == [("document", {"content_type": "text/markdown"})]


@pytest.mark.parametrize(
    "change",
    [
        {"pages": [[0, 99]]},
        {"pages": [[3, 1]]},
        {"pages": [[-1, 1]]},
        {"pages": [[0]]},
        {"pages": [["a", "b"]]},
        {"pages": [[0, 1e999]]},
        {"pages": None},
        {"pages": 7},
        {"meta": []},
        {"meta": None},
        {"meta": {"a": "\0"}},
        {"meta": {"\0": "a"}},
        {"title": "\0"},
        {"title": ["nested"]},
        {"language": {"ko": 1}},
        {"language": "k\0"},
    ],
    ids=str,
)
async def test_a_document_that_does_not_add_up_is_broken(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(FileBroken):
        await parse_document(sandbox({**GOOD_DOCUMENT, **change}, "가나\n\n다라".encode()), tmp_path, "text/plain")


@pytest.mark.parametrize("blobs", [[], [b"\xff\xfe"], [b"nul \0 inside"]])
async def test_a_text_that_is_none_is_broken(tmp_path: Path, blobs: list[bytes]) -> None:
    with pytest.raises(FileBroken):
        await parse_document(sandbox({**GOOD_DOCUMENT, "pages": []}, *blobs), tmp_path, "text/plain")


@pytest.mark.parametrize("missing", sorted(GOOD_DOCUMENT))
async def test_a_document_without_one_of_its_facts_is_broken(tmp_path: Path, missing: str) -> None:
    facts = {name: value for name, value in GOOD_DOCUMENT.items() if name != missing}
    with pytest.raises(FileBroken):
        await parse_document(sandbox(facts, b"text"), tmp_path, "text/plain")


async def test_an_honest_answer_is_a_recording(tmp_path: Path) -> None:
    details = await read_audio_details(sandbox(GOOD_AUDIO), tmp_path, "audio/x-m4a")
    assert (details.duration_s, details.title, details.channels) == (1.5, "노래", 1)


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"duration_s": float("inf")},
        {"duration_s": float("nan")},
        {"duration_s": 10**400},
        {"title": "a\0b"},
        {"artist": ["x"]},
        {"title": {"a": "b"}},
    ],
    ids=str,
)
async def test_a_recording_that_does_not_add_up_is_broken(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(FileBroken):
        await read_audio_details(sandbox({**GOOD_AUDIO, **change}), tmp_path, "audio/mp4")


@pytest.mark.parametrize(
    ("content_type", "name"), [("image/png", "a.png"), ("application/x-hwp", "a.hwp"), ("", "noname")]
)
async def test_what_is_no_document_is_not_even_opened(tmp_path: Path, content_type: str, name: str) -> None:
    liar = Liar(GOOD_DOCUMENT)
    for reading in (parse_document, read_audio_details):
        with pytest.raises(FileTypeUnsupported):
            await reading(cast("Sandbox", liar), tmp_path, content_type, name)
    assert liar.asked == []


async def test_an_honest_answer_is_a_photo(tmp_path: Path) -> None:
    photo = await read_photo(sandbox(GOOD_PHOTO, b"t", b"d"), tmp_path, "image/jpeg", keep_location=True)
    assert (photo.width, photo.height, photo.thumbnail, photo.display, photo.original) == (4, 3, b"t", b"d", None)
    assert photo.location is not None
    assert (photo.location.latitude, photo.location.longitude) == (37.5, 127.0)


@pytest.mark.parametrize(
    "change",
    [
        {"width": "wide"},
        {"width": 1e999},
        {"height": None},
        {"taken_at": "yesterday"},
        {"taken_at": 5},
        {"location": [1]},
        {"location": [float("nan"), 1]},
        {"location": [float("inf"), 1]},
        {"location": [91, 1]},
        {"location": [1, -181]},
        {"camera": "a\0b"},
        {"changed": True},
    ],
    ids=str,
)
async def test_a_photo_that_does_not_add_up_is_broken(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(FileBroken):
        await read_photo(sandbox({**GOOD_PHOTO, **change}, b"t", b"d"), tmp_path, "image/jpeg")


@pytest.mark.parametrize("blobs", [(), (b"t",)])
async def test_a_photo_without_its_pictures_is_broken(tmp_path: Path, blobs: tuple[bytes, ...]) -> None:
    with pytest.raises(FileBroken):
        await read_photo(sandbox(GOOD_PHOTO, *blobs), tmp_path, "image/jpeg")


def _answer(head: bytes, rest: bytes = b"") -> bytes:
    return struct.pack(">I", len(head)) + head + rest


@pytest.mark.parametrize(
    "answer",
    [
        _answer(b'{"sizes": [1e999]}'),
        _answer(b'{"sizes": [NaN]}'),
        _answer(b'{"sizes": [-1, 1]}'),
        _answer(b'{"sizes": [1, 1]}', b"a"),
        _answer(b'{"sizes": ["' + b"9" * 5000 + b'"]}'),
        _answer(b'{"sizes": [' + b"9" * 4000 + b"]}"),
        _answer(b"[" * 200_000),
        _answer(b'{"sizes": {"a": 1}}'),
        _answer(b'{"sizes": null}'),
        _answer(b"\xff\xff"),
    ],
    ids=lambda answer: repr(answer[4:30]),
)
def test_a_header_that_lies_is_refused(answer: bytes) -> None:
    with pytest.raises(FileBroken):
        decode_answer(answer)


@settings(max_examples=200)
@given(st.binary(max_size=80) | st.binary(max_size=60).map(_answer))
def test_any_bytes_are_an_answer_or_broken(answer: bytes) -> None:
    try:
        header, blobs = decode_answer(answer)
    except FileBroken:
        return
    assert len(json.dumps(header)) >= 2
    assert sum(map(len, blobs)) <= len(answer)


@settings(max_examples=60)
@given(
    st.dictionaries(st.text(max_size=5).filter(lambda name: name != "sizes"), st.integers() | st.text(max_size=5)),
    st.lists(st.binary(max_size=20), max_size=4),
    st.data(),
)
def test_an_answer_comes_back_whole_or_not_at_all(
    facts: dict[str, Any], blobs: list[bytes], data: st.DataObject
) -> None:
    answer = b"".join(encode_answer(facts, blobs))
    assert decode_answer(answer) == (facts, blobs)
    cut = data.draw(st.integers(0, len(answer) - 1))
    with pytest.raises(FileBroken):
        decode_answer(answer[:cut])
    with pytest.raises(FileBroken):
        decode_answer(answer + b"x")
