"""Which files are taken, and what their first bytes say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.storage.media import HEAD_BYTES, MEDIA_TYPES, MediaType, family, looks_like, media_type

HEADS = {
    "application/pdf": [b"%PDF-1.7\n", b"\r\n%PDF-1.4", b"\xef\xbb\xbf%PDF-1.4"],
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": [
        b"PK\x03\x04\x14\0",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    ],
    "text/markdown": [b"# title", "# 제목".encode(), "제목".encode("cp949")],
    "text/html": [b"<!doctype html>", b"  <p>x"],
    "text/plain": [
        b"x",
        "글".encode("utf-16"),
        "오늘은 맑다. 내일도 맑다.".encode("utf-16-le"),
        b"\xef\xbb\xbfx",
        b"tab\tand\nline",
    ],
    "image/jpeg": [b"\xff\xd8\xff\xe0\0\x10JFIF", b"\xff\xd8\xff\xe1"],
    "image/png": [b"\x89PNG\r\n\x1a\n"],
    "image/webp": [b"RIFF\0\0\0\0WEBPVP8 "],
    "image/gif": [b"GIF87a", b"GIF89a"],
    "image/heic": [b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftypmif1"],
    "image/avif": [b"\0\0\0\x18ftypavif"],
    "audio/mpeg": [b"ID3\x04", b"\xff\xfb\x90\x00", b"\xff\xf3\x90\x00"],
    "audio/mp4": [b"\0\0\0\x18ftypM4A ", b"\0\0\0\x18ftypmp42"],
    "audio/aac": [b"\xff\xf1\x50\x80", b"\xff\xf9\x50\x80"],
    "audio/wav": [b"RIFF\0\0\0\0WAVEfmt "],
    "audio/ogg": [b"OggS\0\x02"],
    "audio/webm": [b"\x1aE\xdf\xa3"],
    "audio/flac": [b"fLaC"],
}
NO_TEXT = [b"\x7fELF\x02", b"MZ\x90\0", b"\x1f\x8b\x08", b"{\\rtf1", bytes(range(32)) * 9, bytes(64)]


@pytest.mark.parametrize("media", MEDIA_TYPES, ids=lambda media: media.name)
def test_each_type_is_known_by_its_first_bytes(media: MediaType) -> None:
    for head in HEADS[media.name]:
        assert looks_like(media, head), head
    for other, heads in HEADS.items():
        if other.partition("/")[0] != media.name.partition("/")[0]:
            assert not any(looks_like(media, head) for head in heads), other


@pytest.mark.parametrize("head", NO_TEXT)
def test_what_is_no_text_is_not_taken_for_it(head: bytes) -> None:
    assert family(head) != "text"


@pytest.mark.parametrize("media", MEDIA_TYPES, ids=lambda media: media.name)
def test_each_type_is_found_by_every_name_it_has(media: MediaType) -> None:
    for name in (media.name, *media.aliases):
        assert media_type(name) is media
        assert media_type(f"{name.upper()}; charset=utf-8") is media
    for extension in media.extensions:
        assert media_type("", f"이름.{extension.upper()}") is media
        assert media_type("application/octet-stream", f"a.b.{extension}") is media


@pytest.mark.parametrize(
    ("content_type", "filename"),
    [
        ("application/zip", "x.pdf"),
        ("image/svg+xml", "x.svg"),
        ("", "pdf"),
        ("", ""),
        ("video/mp4", "x.mp4"),
        ("application/octet-stream", "x.exe"),
    ],
)
def test_what_is_not_on_the_list_is_not_taken(content_type: str, filename: str) -> None:
    assert media_type(content_type, filename) is None


@given(st.binary(max_size=HEAD_BYTES))
def test_any_bytes_have_one_family_or_none(head: bytes) -> None:
    assert family(head) is None or isinstance(family(head), str)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=0xD7A3), min_size=1, max_size=2000))
def test_utf8_without_control_characters_is_never_taken_for_a_program(text: str) -> None:
    assert family(text.encode()[:HEAD_BYTES]) not in {None, "executable", "zip", "ole"} or text.startswith("\x7f")
