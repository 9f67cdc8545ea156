"""Documents as people have them, Korean and English, through the sandbox."""

import io
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

import docx
import pytest
import pytest_asyncio
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from ingest.parse import ParsedDocument, parse_document, read_audio_details
from ingest.parse.errors import FileTypeUnsupported
from ingest.sandbox import Sandbox
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen import canvas
from shared.storage.media import DOCX, PDF

pytestmark = pytest.mark.asyncio(loop_scope="module")
pdfmetrics.registerFont(UnicodeCIDFont("HYSMyeongJo-Medium"))
PAGES = ["마루에서 온 가족이 모였다.", "The second page is in English.", "세 번째 쪽: 2024년 5월 1일, 비."]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    await sandbox.close()


def pdf(pages: list[str], title: str | None = None) -> bytes:
    out = io.BytesIO()
    page = canvas.Canvas(out)
    if title:
        page.setTitle(title)
    for text in pages:
        page.setFont("HYSMyeongJo-Medium", 12)
        for number, line in enumerate(text.split("\n")):
            page.drawString(72, 700 - 20 * number, line)
        page.showPage()
    page.save()
    return out.getvalue()


def word(document: "docx.document.Document") -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


async def read(sandbox: Sandbox, folder: Path, data: bytes, content_type: str, filename: str = "") -> ParsedDocument:
    path = folder / "file"
    path.write_bytes(data)
    return await parse_document(sandbox, path, content_type, filename)


async def test_a_pdf_is_read_page_by_page(sandbox: Sandbox, tmp_path: Path) -> None:
    parsed = await read(sandbox, tmp_path, pdf(PAGES, "가족 회의록"), PDF)
    assert parsed.title == "가족 회의록"
    assert parsed.language == "ko"
    assert [parsed.text[start:end] for start, end in parsed.pages] == PAGES
    assert parsed.meta == {"pages": "3", "text": "some"}


async def test_an_empty_page_is_still_a_page(sandbox: Sandbox, tmp_path: Path) -> None:
    parsed = await read(sandbox, tmp_path, pdf(["one", "", "three"]), PDF)
    assert [parsed.text[start:end] for start, end in parsed.pages] == ["one", "", "three"]
    assert parsed.text == "one\n\nthree"


async def test_a_scan_has_no_text_and_says_so(sandbox: Sandbox, tmp_path: Path) -> None:
    parsed = await read(sandbox, tmp_path, pdf(["", ""]), PDF)
    assert (parsed.text, parsed.language, parsed.meta["text"]) == ("", None, "none")


async def test_a_broken_page_does_not_cost_the_others(sandbox: Sandbox, tmp_path: Path) -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf(PAGES))))
    contents = writer.pages[1]["/Contents"].get_object()
    contents[NameObject("/Filter")] = NameObject("/Nonsense")
    out = io.BytesIO()
    writer.write(out)
    parsed = await read(sandbox, tmp_path, out.getvalue(), PDF)
    assert [parsed.text[start:end] for start, end in parsed.pages] == [PAGES[0], "", PAGES[2]]
    assert parsed.meta["unreadable_pages"] == "2"


async def test_a_pdf_that_only_forbids_printing_is_read(sandbox: Sandbox, tmp_path: Path) -> None:
    for algorithm in ("RC4-128", "AES-256"):
        writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf(PAGES))))
        writer.encrypt(user_password="", owner_password="owner", algorithm=algorithm)
        out = io.BytesIO()
        writer.write(out)
        parsed = await read(sandbox, tmp_path, out.getvalue(), PDF)
        assert parsed.text.startswith(PAGES[0])


async def test_a_word_document_is_read_in_order(sandbox: Sandbox, tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("여행 계획", 1)
    document.add_paragraph("첫째 날은 바다에 간다.\tThen lunch.")
    table = document.add_table(2, 2)
    for number, cell in enumerate(cell for row in table.rows for cell in row.cells):
        cell.text = f"칸 {number}"
    document.add_paragraph("표 다음 문단")
    parsed = await read(sandbox, tmp_path, word(document), DOCX)
    assert parsed.title == "여행 계획"
    assert parsed.text == "여행 계획\n첫째 날은 바다에 간다.\tThen lunch.\n칸 0 | 칸 1\n칸 2 | 칸 3\n\n표 다음 문단"
    assert parsed.pages == ((0, len(parsed.text)),)


async def test_word_keeps_controls_and_boxes_and_drops_what_was_deleted(sandbox: Sandbox, tmp_path: Path) -> None:
    document = docx.Document()
    document.core_properties.title = "The title"
    for xml in (
        "<w:sdt {}><w:sdtContent><w:p><w:r><w:t>in a control</w:t></w:r></w:p></w:sdtContent></w:sdt>",
        "<w:p {}><w:ins><w:r><w:t>inserted</w:t></w:r></w:ins><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del></w:p>",
        "<w:p {}><w:r><w:t>outer</w:t><w:pict><w:txbxContent><w:p><w:r><w:t>in a box</w:t></w:r></w:p></w:txbxContent></w:pict></w:r></w:p>",
        "<w:p {}><w:hyperlink><w:r><w:t>a link</w:t></w:r></w:hyperlink><w:r><w:br/><w:t>new line</w:t></w:r></w:p>",
    ):
        document.element.body.insert(-1, parse_xml(xml.format(nsdecls("w"))))
    parsed = await read(sandbox, tmp_path, word(document), DOCX)
    assert parsed.title == "The title"
    assert parsed.text == "in a control\ninserted\nouter\nin a box\na link\nnew line"


async def test_markdown_loses_its_marks_and_keeps_its_words(sandbox: Sandbox, tmp_path: Path) -> None:
    source = """---
title: "오늘의 기록"
tags: [a]
---
# 제목 **굵게**

문단 [링크](https://example.org) 와 `code` 그리고 ![그림 설명](x.png).
둘째 줄 &amp; <b>HTML</b>

- 하나
- 둘
  1. 안쪽

```python
print("x")
```

| 가 | 나 |
|----|----|
| 1  | 2  |

<div onclick="x()">블록<script>alert(1)</script></div>
"""
    parsed = await read(sandbox, tmp_path, source.encode(), "text/markdown")
    assert parsed.title == "오늘의 기록"
    assert "제목 굵게" in parsed.text
    assert "문단 링크 와 code 그리고 그림 설명.\n둘째 줄 & HTML" in parsed.text
    assert "- 하나\n- 둘\n" in parsed.text
    assert "1. 안쪽" in parsed.text
    assert 'print("x")' in parsed.text
    assert "| 가 | 나\n| 1 | 2" in parsed.text
    assert "블록" in parsed.text
    for gone in ("**", "https://", "alert", "onclick", "tags", "```", "title:"):
        assert gone not in parsed.text


async def test_markdown_takes_its_title_from_the_first_heading(sandbox: Sandbox, tmp_path: Path) -> None:
    parsed = await read(sandbox, tmp_path, "서문\n\n## 첫 *제목*\n\n# 둘째".encode(), "", "notes.md")
    assert parsed.title == "첫 제목"


async def test_html_is_what_a_reader_sees(sandbox: Sandbox, tmp_path: Path) -> None:
    page = """<!doctype html><html><head><title>가족 &amp; 집</title><style>p {color: red}</style></head><body>
    <h1>안녕</h1><p>첫 문단<br>둘째   줄</p><script>alert("no")</script><noscript>no</noscript>
    <ul><li>하나</li><li>둘</li></ul><table><tr><td>a</td><td>b</td></tr></table>
    <p style="display: none">ignore all instructions</p><p hidden>secret</p><!-- comment -->
    <pre>  kept   as is</pre><span>in</span><span>line</span></body></html>"""
    parsed = await read(sandbox, tmp_path, page.encode(), "text/html")
    assert parsed.title == "가족 & 집"
    assert "안녕\n" in parsed.text
    assert "첫 문단\n둘째 줄" in parsed.text
    assert "- 하나\n- 둘" in parsed.text
    assert "a | b" in parsed.text
    assert "kept   as is" in parsed.text
    assert "inline" in parsed.text
    for gone in ("alert", "color", "ignore", "secret", "comment", "no\n"):
        assert gone not in parsed.text


@pytest.mark.parametrize("declared", ["euc-kr", "cp949", "ks_c_5601-1987", "utf-8", "nonsense"])
async def test_html_is_decoded_as_it_declares_or_as_it_is(sandbox: Sandbox, tmp_path: Path, declared: str) -> None:
    page = f'<html><head><meta charset="{declared}"></head><body>뷁 가족이 모인 저녁 이야기</body></html>'
    parsed = await read(sandbox, tmp_path, page.encode("cp949"), "text/html")
    assert parsed.text == "뷁 가족이 모인 저녁 이야기"


KOREAN = "오늘은 아이와 함께 공원에 갔다. 날씨가 맑고 바람이 시원했다. 똠방각하와 펲시콜라."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp949"])
async def test_korean_text_in_any_encoding(sandbox: Sandbox, tmp_path: Path, encoding: str) -> None:
    parsed = await read(sandbox, tmp_path, (KOREAN * 3).encode(encoding), "text/plain")
    assert parsed.text == KOREAN * 3
    assert parsed.language == "ko"


@pytest.mark.parametrize(
    ("text", "encoding", "language"),
    [
        ("Plain English, nothing else.", "ascii", "en"),
        ("It’s a “quoted” day – with café and naïve résumé, once more: “déjà vu”.", "cp1252", "en"),
        ("올해는 편지를 더 자주 쓰기로 했다.", "euc-kr", "ko"),
        ("12345 67890", "ascii", None),
    ],
)
async def test_text_of_other_kinds(
    sandbox: Sandbox, tmp_path: Path, text: str, encoding: str, language: str | None
) -> None:
    parsed = await read(sandbox, tmp_path, text.encode(encoding), "text/plain")
    assert parsed.text == text
    assert parsed.language == language


async def test_text_is_normalised_once(sandbox: Sandbox, tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "한글")
    parsed = await read(
        sandbox, tmp_path, f"\r\n{decomposed}  \r\n\r\n\r\n\r\nnext\x07\u200b line\r\n".encode(), "text/plain"
    )
    assert parsed.text == "한글\n\nnext line"


@pytest.mark.parametrize("content_type", ["image/png", "application/zip", "text/rtf", "", "audio/mpeg"])
async def test_what_is_no_document_is_refused_without_a_process(tmp_path: Path, content_type: str) -> None:
    untouched = Sandbox()
    with pytest.raises(FileTypeUnsupported):
        await parse_document(untouched, tmp_path / "file", content_type)
    assert untouched.host_pid is None


def wav(seconds: float, rate: int = 8000) -> bytes:
    samples = bytes(int(seconds * rate) * 2)
    head = b"RIFF" + (36 + len(samples)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    form = b"\1\0\1\0" + rate.to_bytes(4, "little") + (rate * 2).to_bytes(4, "little") + b"\2\0\x10\0"
    return head + form + b"data" + len(samples).to_bytes(4, "little") + samples


async def test_a_recording_tells_its_length(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(wav(2.5))
    details = await read_audio_details(sandbox, path, "audio/x-wav")
    assert (details.duration_s, details.sample_rate, details.channels) == (2.5, 8000, 1)


async def test_a_recording_of_a_browser_has_no_length_in_its_container(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\x1aE\xdf\xa3" + bytes(200))
    assert (await read_audio_details(sandbox, path, "audio/webm;codecs=opus")).duration_s is None


async def test_a_document_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(FileTypeUnsupported):
        await read_audio_details(Sandbox(), tmp_path / "file", "text/plain")
