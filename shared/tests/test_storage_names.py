"""Names and first bytes of files: the edges between what is taken, shown, saved and refused."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.storage.disposition import content_disposition, safe_filename
from shared.storage.errors import InvalidObjectKey
from shared.storage.keys import (
    check_key,
    check_prefix,
    display_key,
    incoming_key,
    incoming_prefix,
    original_key,
    space_prefix,
    thumbnail_key,
    upload_prefix,
)
from shared.storage.media import MEDIA_TYPES, family, looks_like, media_type, utf16_without_mark

SPACE, UPLOAD = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("가족 사진 (1).jpg", "가족 사진 (1).jpg"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\temp\\a.txt", "C__temp_a.txt"),
        ('a"b\nc\td', "a_b_c_d"),
        ("  ..hidden..  ", "hidden"),
        ("...", "file"),
        ("", "file"),
        ("   ", "file"),
        ("a\x7fb\x85c\x9fd", "a_b_c_d"),
        ("photo\u202egpj.exe", "photo_gpj.exe"),
        ("a\u2028b\u2029c", "a_b_c"),
        ("\u200fabc\u200e\u061c.txt", "_abc__.txt"),
        ("a\u2066b\u2069", "a_b_"),
        ("what?*<>|.md", "what_____.md"),
        ("👨‍👩‍👧.png", "👨‍👩‍👧.png"),
    ],
)
def test_a_name_keeps_what_is_harmless(name: str, safe: str) -> None:
    assert safe_filename(name) == safe


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("a" * 120, "a" * 120),
        ("a" * 116 + ".pdf", ".pdf"),
        ("a" * 117 + ".pdf", "aaa.pdf"),
        ("a" * 300 + ".extension1", ".extension1"),
        ("a" * 300 + ".extension12", "aaa"),
        ("." * 300 + "pdf", "pdf"),
        ("a " * 100 + ".pdf", "a.pdf"),
    ],
)
def test_a_long_name_is_cut_before_its_extension(name: str, ends: str) -> None:
    safe = safe_filename(name)
    assert len(safe) <= 120
    assert safe.endswith(ends)


@settings(max_examples=150)
@given(st.text(max_size=200))
def test_no_name_holds_what_a_reader_cannot_see(name: str) -> None:
    safe = safe_filename(name)
    assert all(unicodedata.category(letter) not in {"Cc", "Zl", "Zp"} for letter in safe)
    assert not any("\u202a" <= letter <= "\u202e" or "\u2066" <= letter <= "\u2069" for letter in safe)
    assert safe == safe.strip(" .") or len(safe) == 120
    assert safe_filename(safe) == safe


@settings(max_examples=100)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_the_name_in_a_disposition_reads_back(name: str) -> None:
    header = content_disposition("image/png", name)
    kind, plain, encoded = header.split("; ", 2) if "; " not in safe_filename(name) else (header, "", "")
    if plain:
        assert kind == "inline"
        assert plain.startswith('filename="')
        assert unquote(encoded.removeprefix("filename*=UTF-8''")) == safe_filename(name)
    assert header.count('"') == 2


def test_half_a_character_in_a_name_does_no_harm() -> None:
    assert content_disposition(None, "a\ud800b") == "attachment; filename=\"a_b\"; filename*=UTF-8''a%3Fb"


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("image/jpeg", "inline"),
        ("audio/mpeg", "inline"),
        ("image/svg+xml", "attachment"),
        ("image/jpeg; charset=x", "attachment"),
        ("IMAGE/JPEG", "attachment"),
        ("text/html", "attachment"),
        ("", "attachment"),
    ],
)
def test_only_exact_types_on_the_list_are_shown(content_type: str, kind: str) -> None:
    assert content_disposition(content_type, "a").startswith(f"{kind}; ")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a/.b",
        "-a",
        "A",
        "a b",
        "a\\b",
        "가",
        "a\n",
        "a" * 101,
        "/".join(["a"] * 17),
        "/".join(["a" * 99] * 6),
        "a%2fb",
        "a?b",
    ],
)
def test_no_object_has_such_a_name(key: str) -> None:
    with pytest.raises(InvalidObjectKey):
        check_key(key)
    with pytest.raises(InvalidObjectKey):
        check_prefix(f"{key}/")


@pytest.mark.parametrize("key", ["a", "0", "a.b-c_d", "a" * 100, "/".join(["a"] * 16), "spaces/1/original"])
def test_plain_lower_case_names_are_taken(key: str) -> None:
    assert check_key(key) == key
    assert check_prefix(f"{key}/") == f"{key}/"
    with pytest.raises(InvalidObjectKey):
        check_prefix(key)


def test_everything_of_an_upload_goes_with_its_prefix_and_nothing_else() -> None:
    key = original_key(SPACE, UPLOAD)
    prefix = upload_prefix(key)
    assert all(made.startswith(prefix) for made in (key, thumbnail_key(key), display_key(key)))
    assert not original_key(SPACE, UUID(int=3)).startswith(prefix)
    assert not incoming_key(key).startswith(prefix)
    assert incoming_key(key).startswith(incoming_prefix(SPACE))
    assert not space_prefix(UUID(int=10)).startswith(space_prefix(SPACE))
    assert len({key, thumbnail_key(key), display_key(key), incoming_key(key)}) == 4


@pytest.mark.parametrize(
    "text",
    [
        b"ID3 tags hold a song's title.",
        b"ID3",
        b"fine",
        b"GIF87 was the first",
        b"RIFFs of the summer",
        b"PKs are rare",
        b"MZ",
        b"OgSS",
        "\ufeff제목".encode(),
        "오늘의 기록".encode("cp949"),
        b"\x1b[1mbold\x1b[0m",
        b"1\t2\r\n\x0c3",
    ],
)
def test_a_text_may_begin_like_something_else(text: bytes) -> None:
    assert family(text) == "text"
    for name in ("text/plain", "text/markdown", "text/html"):
        media = media_type(name)
        assert media is not None
        assert looks_like(media, text)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"ID3\x02\0", "mp3"),
        (b"ID3\x03\0\0\0\0", "mp3"),
        (b"ID3\x04", "mp3"),
        (b"ID3\xff\0\0", None),
        (b"\xff\xfb", "mp3"),
        (b"\xff\xf1", "aac"),
        (b"\xff\xfe", "text"),
        (b"\xfe\xff", "text"),
        (b"\0\0\0\x20ftypisom", "mp4"),
        (b"\0\0\0\x20ftypavis", "avif"),
        (b"\0\0\0\x20ftyphevc", "heif"),
        (b"RIFF\0\0\0\0AVI ", None),
        (b"PK\x05\x06", "zip"),
        (b"junk\n" * 20 + b"%PDF-1.4", "pdf"),
        (b"\0" * 40, None),
        (b"\x01\x02\x03\x04\x05\x06", None),
        (b"", "text"),
    ],
)
def test_what_first_bytes_say(head: bytes, expected: str | None) -> None:
    assert family(head) == expected


def test_a_type_says_itself_and_a_name_only_speaks_where_none_does() -> None:
    def name(content_type: str, filename: str = "") -> str | None:
        media = media_type(content_type, filename)
        return media and media.name

    assert name("text/plain", "a.md") == "text/plain"
    assert name("application/octet-stream", "a.md") == "text/markdown"
    assert name(" Application/Octet-Stream ; x=y", "사진.HEIC") == "image/heic"
    assert name("", "archive.tar.docx") == MEDIA_TYPES[1].name
    assert name("", "md") is None
    assert name("", "") is None
    assert name("image/svg+xml", "a.png") is None


def test_no_extension_and_no_name_belongs_to_two_types() -> None:
    extensions = [extension for media in MEDIA_TYPES for extension in media.extensions]
    names = [name for media in MEDIA_TYPES for name in (media.name, *media.aliases)]
    assert len(set(extensions)) == len(extensions)
    assert len(set(names)) == len(names)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["오늘은 ", "비는 ", "왔다. ", "and then ", "we left. "]), min_size=4, max_size=40))
def test_utf16_is_known_by_its_blanks_whichever_way_round(words: list[str]) -> None:
    text = "".join(words)
    assert utf16_without_mark(text.encode("utf-16-le")) == "utf-16-le"
    assert utf16_without_mark(text.encode("utf-16-be")) == "utf-16-be"


@pytest.mark.parametrize("sample", [b"", b"\0\0\0\0", b"plain text", bytes(range(256)), b"\0\x01" * 40])
def test_what_is_no_utf16_is_not_taken_for_it(sample: bytes) -> None:
    assert utf16_without_mark(sample) is None
