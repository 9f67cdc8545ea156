"""Files that mean harm, or were harmed: each ends in a stable code, and the next file is read as if nothing had been."""

import io
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import docx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest.parse import parse_document, read_audio_details
from ingest.parse.errors import REFUSALS, FileRefused
from ingest.sandbox import Sandbox
from ingest.sandbox_limits import SandboxLimits
from pypdf import PdfReader, PdfWriter
from reportlab.pdfgen import canvas
from shared.errors import Problem
from shared.storage.media import DOCX, HTML, MARKDOWN, PDF, TEXT

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMITS = SandboxLimits(memory_mib=300, cpu_s=4, wall_s=60)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(limits=LIMITS)
    yield sandbox
    await sandbox.close()


def pdf() -> bytes:
    out = io.BytesIO()
    page = canvas.Canvas(out)
    page.drawString(72, 700, "a page")
    page.showPage()
    page.save()
    return out.getvalue()


def encrypted_pdf(algorithm: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf())))
    writer.encrypt("secret", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def raw_pdf(*objects: bytes, root: int = 1) -> bytes:
    """A PDF of these objects, numbered from 1, with a right cross reference table."""
    out = b"%PDF-1.7\n"
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"trailer << /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, root, start)


def stream(data: bytes, extra: bytes = b"") -> bytes:
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (len(data), extra, data)


CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
FONT = b"/Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R %b >>" % FONT


def flate_bomb() -> bytes:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(10_000_000)) for _ in range(60)) + packer.flush()
    kids = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    return raw_pdf(CATALOG, kids, PAGE, stream(packed, b"/Filter /FlateDecode"))


def endless_pages() -> bytes:
    kids = b"<< /Type /Pages /Kids [%b] /Count 200000 >>" % (b"3 0 R " * 200_000)
    return raw_pdf(CATALOG, kids, PAGE, stream(b"BT ET"))


def page_tree_in_a_circle() -> bytes:
    return raw_pdf(CATALOG, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>")


def deep_pdf() -> bytes:
    return raw_pdf(CATALOG, b"<< /Type /Pages /Kids [3 0 R] /Count 1 /X " + b"[" * 200_000 + b" >>", PAGE, stream(b""))


def busy_pdf() -> bytes:
    content = b"BT /F 1 Tf " + b"1 0 0 1 0 0 cm (x) Tj " * 3_000_000 + b"ET"
    packed = zlib.compress(content, 9)
    kids = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    return raw_pdf(CATALOG, kids, PAGE, stream(packed, b"/Filter /FlateDecode"))


def archive(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def word_with(document_xml: bytes, **others: bytes) -> bytes:
    """A real Word document with its main part replaced."""
    out = io.BytesIO()
    docx.Document().save(out)
    with zipfile.ZipFile(out) as source:
        members = {name: source.read(name) for name in source.namelist()}
    return archive({**members, "word/document.xml": document_xml, **others})


def word_of(body: bytes) -> bytes:
    space = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    return word_with(b"<w:document " + space + b"><w:body>" + body + b"</w:body></w:document>")


LAUGHS = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "' + b"&a;" * 1000 + b'">]><x>&b;</x>'
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'


def lying_directory() -> bytes:
    """A part that says it is small and unpacks to a hundred times as much."""
    data = bytearray(word_with(b"<x>" + b" " * 5_000_000 + b"</x>"))
    size = (5_000_007).to_bytes(4, "little")
    while (place := data.find(size)) >= 0:
        data[place : place + 4] = (50).to_bytes(4, "little")
    return bytes(data)


def encrypted_word() -> bytes:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    return ole + "EncryptedPackage".encode("utf-16-le") + bytes(600)


def deep_word() -> bytes:
    return word_of(b"<w:sdt><w:sdtContent>" * 50_000 + b"</w:sdtContent></w:sdt>" * 50_000)


HOSTILE: list[tuple[str, str, Callable[[], bytes], set[str]]] = [
    ("empty", PDF, lambda: b"", {"file_type_mismatch"}),
    ("only a head", PDF, lambda: b"%PDF-1.7\n", {"file_broken"}),
    ("noise after the head", PDF, lambda: b"%PDF-1.7\n" + zlib.compress(bytes(range(256)) * 999), {"file_broken"}),
    ("cut in half", PDF, lambda: pdf()[: len(pdf()) // 2], {"file_broken"}),
    ("a picture", PDF, lambda: b"\x89PNG\r\n\x1a\n" + bytes(99), {"file_type_mismatch"}),
    ("locked by RC4", PDF, lambda: encrypted_pdf("RC4-128"), {"file_encrypted"}),
    ("locked by AES", PDF, lambda: encrypted_pdf("AES-256"), {"file_encrypted"}),
    ("flate bomb", PDF, flate_bomb, {"file_too_large", "parse_out_of_memory", "file_broken"}),
    ("endless pages", PDF, endless_pages, {"file_too_large", "parse_timeout"}),
    ("pages in a circle", PDF, page_tree_in_a_circle, {"file_broken"}),
    ("deep arrays", PDF, deep_pdf, {"file_broken", "file_too_large"}),
    ("millions of operators", PDF, busy_pdf, {"parse_timeout", "parse_out_of_memory", "file_too_large"}),
    ("no catalog", PDF, lambda: raw_pdf(b"<< >>"), {"file_broken"}),
    ("two hundred megabytes", PDF, lambda: b"%PDF-1.7\n" + b"0 0 obj\n" * 25_000_000, {"file_broken", "parse_timeout"}),
    ("text", DOCX, lambda: b"hello", {"file_type_mismatch"}),
    ("some archive", DOCX, lambda: archive({"a.txt": b"x"}), {"file_type_mismatch"}),
    ("a workbook", DOCX, lambda: archive({"xl/workbook.xml": b"<x/>"}), {"file_type_mismatch"}),
    ("locked", DOCX, encrypted_word, {"file_encrypted"}),
    ("old Word", DOCX, lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(999), {"file_type_unsupported"}),
    ("zip bomb", DOCX, lambda: archive({"word/document.xml": bytes(400_000_000)}), {"file_too_large"}),
    ("many small bombs", DOCX, lambda: archive({f"m{n}": bytes(30_000_000) for n in range(10)}), {"file_too_large"}),
    ("ten thousand parts", DOCX, lambda: archive({f"word/{n}": b"" for n in range(10_000)}), {"file_too_large"}),
    ("lying directory", DOCX, lying_directory, {"file_broken"}),
    ("entities", DOCX, lambda: word_with(LAUGHS), {"file_broken"}),
    ("entities in UTF-16", DOCX, lambda: word_with(LAUGHS.decode().encode("utf-16")), {"file_broken"}),
    ("a file from outside", DOCX, lambda: word_with(OUTSIDE), {"file_broken"}),
    ("entities in a side part", DOCX, lambda: word_with(b"<x/>", **{"word/styles.xml": LAUGHS}), {"file_broken"}),
    ("no XML", DOCX, lambda: word_with(b"\0\1\2"), {"file_broken"}),
    ("another XML", DOCX, lambda: word_with(b"<html/>"), {"file_broken"}),
    ("deep controls", DOCX, deep_word, {"file_broken"}),
    ("cut in half", DOCX, lambda: word_of(b"<w:p/>")[:9000], {"file_broken"}),
    ("an archive", TEXT, lambda: archive({"a": b"b"}), {"file_type_mismatch"}),
    ("a program", TEXT, lambda: b"\x7fELF" + bytes(range(256)) * 9, {"file_type_mismatch"}),
    ("noise", TEXT, lambda: zlib.compress(bytes(range(256)) * 9999), {"file_type_mismatch"}),
    ("noise behind text", TEXT, lambda: b"hello\n" * 900 + bytes(range(256)) * 900, {"file_type_mismatch"}),
    ("two hundred megabytes", TEXT, lambda: b"word " * 40_000_000, {"file_too_large"}),
    ("more than a library", TEXT, lambda: b"word " * 1_500_000, {"file_too_large"}),
    ("two hundred megabytes", HTML, lambda: b"<p>" * 66_000_000, {"file_too_large"}),
    ("a million tags", HTML, lambda: b"<p a=b>x" * 1_500_000, {"parse_timeout", "parse_out_of_memory"}),
    ("two hundred megabytes", MARKDOWN, lambda: b"# a\n" * 50_000_000, {"file_too_large"}),
    ("millions of headings", MARKDOWN, lambda: b"# a\n" * 2_500_000, {"parse_timeout", "parse_out_of_memory"}),
]


@pytest.mark.parametrize(
    ("content_type", "make", "codes"),
    [case[1:] for case in HOSTILE],
    ids=[f"{case[1].rpartition('.')[2]}: {case[0]}" for case in HOSTILE],
)
async def test_a_hostile_file_ends_in_a_code(
    sandbox: Sandbox, tmp_path: Path, content_type: str, make: Callable[[], bytes], codes: set[str]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(make())
    with pytest.raises(Problem) as refused:
        await parse_document(sandbox, path, content_type)
    assert refused.value.code in codes
    assert refused.value.code in REFUSALS
    assert refused.value.detail.endswith(".")
    path.write_text("still here")
    assert (await parse_document(sandbox, path, TEXT)).text == "still here"


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        (HTML, b"<div>" * 100_000 + b"deep" + b"</div>" * 100_000),
        (HTML, b"<table><tr><td>" * 3_000 + b"deep"),
        (MARKDOWN, b"> " * 60 + b"deep"),
        (MARKDOWN, b"[" * 20_000 + b"deep"),
        (MARKDOWN, b"**a *b " * 3_000 + b"deep"),
        (MARKDOWN, b"<!--" * 5_000 + b"-->\n\ndeep"),
        (MARKDOWN, b"---\n" * 5_000 + b"deep"),
    ],
)
async def test_what_is_only_odd_is_read_or_refused(
    sandbox: Sandbox, tmp_path: Path, content_type: str, data: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    try:
        parsed = await parse_document(sandbox, path, content_type)
    except FileRefused as refused:
        assert refused.code in REFUSALS  # noqa: PT017 - either end is right
    else:
        assert "deep" in parsed.text


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        ("audio/mpeg", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + bytes(99)),
        ("audio/mp4", b"\x00\x00\x00\x18ftypM4A " + bytes(12) + b"\xff\xff\xff\xffmoov"),
        ("audio/ogg", b"OggS" + bytes(99)),
        ("audio/wav", b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff"),
        ("audio/flac", b"fLaC\x00\xff\xff\xff" + bytes(99)),
    ],
)
async def test_a_broken_recording_is_refused_or_has_no_length(
    sandbox: Sandbox, tmp_path: Path, content_type: str, data: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    try:
        details = await read_audio_details(sandbox, path, content_type)
    except FileRefused as refused:
        assert refused.code in REFUSALS  # noqa: PT017 - either end is right
    else:
        assert details.duration_s is None or details.duration_s >= 0


async def test_a_recording_of_another_kind_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(pdf())
    with pytest.raises(FileRefused) as refused:
        await read_audio_details(sandbox, path, "audio/mpeg")
    assert refused.value.code == "file_type_mismatch"


SEEDS = {
    PDF: pdf(),
    DOCX: word_of(b"<w:p><w:r><w:t>text</w:t></w:r></w:p>"),
    HTML: "<html><body><p>글</p><script>x</script></body></html>".encode(),
    MARKDOWN: "# 제목\n\n- a\n".encode(),
    TEXT: "글과 text".encode("cp949"),
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(SEEDS)), st.data())
async def test_a_damaged_file_is_read_or_refused(
    sandbox: Sandbox, tmp_path: Path, content_type: str, data: st.DataObject
) -> None:
    damaged = bytearray(SEEDS[content_type])
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(damaged) - 1), st.integers(0, 255)), max_size=8)
    ):
        damaged[place] = byte
    path = tmp_path / "file"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        parsed = await parse_document(sandbox, path, content_type)
    except FileRefused as refused:
        assert refused.code in REFUSALS  # noqa: PT017 - either end is right
    else:
        assert "\0" not in parsed.text
        assert all(0 <= start <= end <= len(parsed.text) for start, end in parsed.pages)
