"""What a stranger does first: sign up, write, watch, find, ask, open the passage, come back."""

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from shared.testing.waiting import eventually_sync

pytestmark = [pytest.mark.browser, pytest.mark.serial, pytest.mark.xdist_group("product")]

_LONG = 60_000
_KOREAN = "할머니와 오일장에 갔다. 할머니는 호박고구마 두 상자를 고르시며 크게 웃으셨다. 나도 기뻤다."
_ENGLISH = "Harin rode her bicycle alone for the first time today. She fell twice and laughed. I was so proud."


def _photo(path: Path) -> Path:
    from PIL import Image

    Image.linear_gradient("L").resize((640, 480)).convert("RGB").save(path, "JPEG")
    return path


def _pdf(path: Path) -> Path:
    from reportlab.pdfgen.canvas import Canvas

    buffer = BytesIO()
    canvas = Canvas(buffer)
    canvas.drawString(72, 720, "The insurance for the house ends on the third of March.")
    canvas.drawString(72, 700, "The premium is paid by the lighthouse cooperative.")
    canvas.save()
    path.write_bytes(buffer.getvalue())
    return path


def _write(page: Page, text: str) -> None:
    page.locator(".st-key-compose textarea:visible").fill(text)
    page.get_by_role("button", name="남기기").click()
    expect(page.locator(".st-key-compose textarea:visible")).to_have_value("", timeout=_LONG)


def _attach(page: Page, kind: str, path: Path, text: str) -> None:
    page.get_by_role("radio", name=kind).first.click()
    page.get_by_label(f"{kind} 고르기").set_input_files(path)
    expect(page.get_by_text("준비됨")).to_be_visible(timeout=_LONG)
    _write(page, text)


def _understood(who: Any, count: int) -> None:
    def all_ready() -> bool:
        rows = who.http.get("/api/v1/entries").json()["entries"]
        assert [row for row in rows if row["status"] == "failed"] == []
        return len(rows) == count and all(row["status"] == "ready" for row in rows)

    eventually_sync(all_ready, within=90, every=0.2)


def _ask(page: Page, text: str) -> None:
    box = page.get_by_placeholder("기록에 대해 무엇이든 물어보세요")
    box.fill(text)
    box.press("Enter")
    expect(page.locator(".maru-answer").last).to_be_visible(timeout=_LONG)


def test_a_stranger_signs_up_writes_and_sees_what_was_understood(visit: Any, tmp_path: Path) -> None:
    visitor = visit()
    page = visitor.open("/journal")
    visitor.button("처음이신가요? 계정 만들기").click()
    page.get_by_label("이름").fill("지은")
    page.get_by_label("이메일").fill(f"stranger-{tmp_path.name}-{id(page)}@example.com")
    page.get_by_label("비밀번호", exact=True).fill("a long enough pass phrase")
    visitor.button("계정 만들기").click()
    expect(page.get_by_role("heading", name="기록", exact=True)).to_be_visible(timeout=_LONG)
    _write(page, _KOREAN)
    expect(page.locator("a.maru-card").first).to_contain_text("기쁨", timeout=_LONG)
    page.reload()
    expect(page.locator("a.maru-card").first).to_contain_text("호박고구마")


def test_notes_a_photo_and_a_pdf_are_found_and_answered_from(visit: Any, new_account: Any, tmp_path: Path) -> None:
    who = new_account()
    visitor = visit(who)
    page = visitor.open("/journal")
    _write(page, _KOREAN)
    _write(page, _ENGLISH)
    _attach(page, "사진", _photo(tmp_path / "마당.jpg"), "마당에 첫눈이 왔다.")
    _attach(page, "문서", _pdf(tmp_path / "insurance.pdf"), "집 보험 서류")
    _understood(who, 4)
    visitor.open("/journal?q=고구마")
    expect(page.locator(".maru-quote").first).to_contain_text("호박고구마")
    visitor.open("/journal?q=lighthouse%20cooperative")
    expect(page.locator(".maru-quote").first).to_contain_text("lighthouse cooperative")
    visitor.open("/journal?view=gallery")
    picture = page.locator("img.maru-card-image").first
    eventually_sync(lambda: picture.evaluate("(i) => i.complete && i.naturalWidth > 0"), within=20)
    visitor.open("/ask")
    _ask(page, "할머니가 오일장에서 무엇을 고르셨어?")
    expect(page.locator(".maru-answer").last).to_contain_text("고구마")
    expect(page.get_by_text("원문과 일치").first).to_be_visible()
    quote = page.locator(".maru-cards-sources .maru-quote").first.inner_text()
    page.locator("a.maru-cite").first.click()
    expect(page.locator("mark")).to_have_text(quote)
    expect(page.locator(".maru-reader")).to_have_text(_KOREAN)


def test_a_question_without_evidence_is_refused_and_cites_nothing(visit: Any, new_account: Any) -> None:
    who = new_account()
    visitor = visit(who)
    page = visitor.open("/journal")
    _write(page, _KOREAN)
    _understood(who, 1)
    visitor.open("/ask")
    _ask(page, "화성의 위성 이름은?")
    assert page.locator("a.maru-cite").count() == 0
    assert page.get_by_text("원문과 일치").count() == 0


def test_signing_in_returns_to_the_deep_link_lasts_and_ends(visit: Any, new_account: Any) -> None:
    who = new_account("하린")
    visitor = visit()
    page = visitor.open("/settings")
    page.get_by_label("이메일").fill(who.email)
    page.get_by_label("비밀번호", exact=True).fill(who.password)
    page.get_by_label("비밀번호", exact=True).press("Enter")
    expect(page.get_by_role("heading", name="설정", exact=True)).to_be_visible(timeout=_LONG)
    page.reload()
    expect(page.get_by_role("heading", name="설정", exact=True)).to_be_visible()
    tab = visitor.tab()
    tab.open("/").wait_for_load_state("networkidle")
    expect(tab.page.get_by_role("heading", name="하린 님, 안녕하세요")).to_be_visible()
    assert "maru" not in page.evaluate("document.cookie")
    page.get_by_test_id("stSidebar").get_by_role("button", name="로그아웃").click()
    expect(page.get_by_label("비밀번호", exact=True)).to_be_visible()
    expect(tab.page.get_by_label("비밀번호", exact=True)).to_be_visible()


def test_another_persons_entry_and_conversation_yield_nothing(visit: Any, new_account: Any) -> None:
    owner, other = new_account("주인"), new_account("손님")
    entry = owner.http.post("/api/v1/entries", json={"kind": "note", "body": "아무도 모르는 이야기."}).json()
    conversation = owner.http.post("/api/v1/conversations", json={"title": "아무도 모르는 대화"}).json()
    visitor = visit(other)
    for path in (f"/entry?id={entry['id']}", f"/ask?c={conversation['id']}"):
        page = visitor.open(path)
        expect(page.get_by_text(re.compile("찾을 수 없습니다|이 대화는 없습니다"))).to_be_visible()
        assert "아무도 모르는" not in page.content()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_filled_pages_are_accessible_and_fit_a_narrow_window(visit: Any, new_account: Any, theme: str) -> None:
    who = new_account()
    made = who.http.post("/api/v1/entries", json={"kind": "note", "body": _KOREAN, "title": "오일장"}).json()
    _understood(who, 1)
    visitor = visit(who, theme=theme, width=320)
    found: dict[str, list[str]] = {}
    for path in ("/", "/journal", f"/entry?id={made['id']}", "/ask", "/settings"):
        visitor.open(path)
        expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
        found[path] = visitor.violations() + visitor.overflow()
    assert {path: rows for path, rows in found.items() if rows} == {}


def test_corrections_survive_an_edit_and_a_deleted_entry_is_gone_from_answers(visit: Any, new_account: Any) -> None:
    who = new_account()
    made = who.http.post("/api/v1/entries", json={"kind": "note", "body": _KOREAN, "title": "오일장"}).json()
    _understood(who, 1)
    visitor = visit(who)
    page = visitor.open(f"/entry?id={made['id']}")
    visitor.button("고치기").click()
    page.get_by_role("dialog").get_by_label("요약").fill("할머니와 함께한 장날.")
    page.get_by_role("dialog").get_by_role("button", name="저장").click()
    expect(page.locator(".maru-summary")).to_have_text("할머니와 함께한 장날.")
    visitor.settle()
    visitor.button("고쳐 쓰기").click()
    page.get_by_role("dialog").get_by_role("textbox", name="글").fill(f"{_KOREAN} 돌아오는 길에 비가 왔다.")
    page.get_by_role("dialog").get_by_role("button", name="저장").click()
    expect(page.locator(".maru-reader")).to_contain_text("비가 왔다", timeout=_LONG)
    _understood(who, 1)
    visitor.open(f"/entry?id={made['id']}")
    expect(page.locator(".maru-summary")).to_have_text("할머니와 함께한 장날.")
    visitor.button("지우기").click()
    page.get_by_role("dialog").get_by_role("button", name="지우기", exact=True).click()
    expect(page.get_by_role("heading", name="기록", exact=True)).to_be_visible()
    visitor.open("/ask")
    _ask(page, "할머니가 오일장에서 무엇을 고르셨어?")
    assert page.locator("a.maru-cite").count() == 0
