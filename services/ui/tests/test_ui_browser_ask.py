"""Asking in a real browser: streaming, stopping, losing the connection, and coming back."""

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from shared.testing.waiting import eventually_sync

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-asking")]

_NOTE = "할머니와 시장에 갔다. 고구마를 고르시며 크게 웃으셨다. 돌아오는 길에 비가 왔다."


def _ask(page: Page, text: str) -> None:
    box = page.get_by_placeholder("기록에 대해 무엇이든 물어보세요")
    box.fill(text)
    box.press("Enter")


def _live(page: Page) -> Any:
    return page.locator(".st-key-answer-live")


def _words(page: Page) -> list[str]:
    """The numbered filler words on the page, in order; the stand-in writes w0 w1 w2 … after its evidence."""
    return re.findall(r"\bw\d+\b", page.locator(".stMain").inner_text())


def _in_order(words: list[str]) -> bool:
    return words == [f"w{n}" for n in range(len(words))]


def _messages(who: Any) -> list[dict[str, Any]]:
    listed = who.http.get("/api/v1/conversations").json()["conversations"]
    one = who.http.get(f"/api/v1/conversations/{listed[0]['id']}").json()
    messages: list[dict[str, Any]] = one["messages"]
    return messages


def test_an_answer_streams_and_its_source_opens_the_exact_passage(visit: Any, someone: Any) -> None:
    entry = someone.write(_NOTE, title="시장")
    visitor = visit(someone)
    page = visitor.open("/ask")
    _ask(page, "고구마를 누가 골랐어?")
    expect(page.locator(".maru-answer")).to_contain_text("고구마를 고르시며 크게 웃으셨다.")
    expect(page.get_by_text("원문과 일치").first).to_be_visible()
    page.locator("a.maru-cite").first.click()
    expect(page.locator("mark")).to_have_text("고구마를 고르시며 크게 웃으셨다.")
    assert f"id={entry['id']}" in page.url
    assert page.locator(".maru-reader").inner_text() == _NOTE


def test_a_passage_of_an_edited_entry_opens_in_the_version_it_was_cited_from(visit: Any, someone: Any) -> None:
    entry = someone.write(_NOTE, title="시장")
    visitor = visit(someone)
    page = visitor.open("/ask")
    _ask(page, "고구마를 누가 골랐어?")
    expect(page.locator("a.maru-cite").first).to_be_visible()
    visitor.settle()
    someone.http.patch(f"/api/v1/entries/{entry['id']}", json={"body": "다 지우고 다시 썼다."}).raise_for_status()
    page.locator(".maru-cards-sources a").first.click()
    expect(page.locator("mark")).to_have_text("고구마를 고르시며 크게 웃으셨다.")
    expect(page.get_by_text("고치기 전의 글")).to_be_visible()


def test_without_evidence_the_answer_says_so_and_cites_nothing(visit: Any, someone: Any) -> None:
    visitor = visit(someone)
    page = visitor.open("/ask")
    _ask(page, "양자역학이 뭐야?")
    expect(page.locator(".maru-answer")).to_contain_text("근거를 찾지 못했습니다")
    assert page.locator("a.maru-cite").count() == 0
    assert page.get_by_text("원문과 일치").count() == 0


def test_stop_ends_the_answer_at_the_gateway_and_keeps_the_partial_text(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(answer_words=400, token_delay=0.05)
    visitor = visit(someone)
    page = visitor.open("/ask")
    _ask(page, "long question")
    expect(_live(page)).to_contain_text("w5")
    visitor.button("멈추기").click()
    expect(page.get_by_text("여기서 멈췄습니다.").first).to_be_visible(timeout=3000)
    visitor.settle(5)
    reply = _messages(someone)[-1]
    assert reply["status"] == "cancelled"
    kept = re.findall(r"\bw\d+\b", reply["content"])
    assert len(kept) >= 6
    eventually_sync(lambda: _words(page) == kept)


def test_a_silent_model_does_not_keep_stop_from_being_heard(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(first_delay=20)
    visitor = visit(someone)
    page = visitor.open("/ask")
    _ask(page, "long question")
    visitor.button("멈추기").click()
    eventually_sync(lambda: any(c["path"].endswith("/cancel") for c in stack.calls("/api/v1/streams")), within=3)


def test_a_dropped_connection_mid_answer_loses_and_repeats_nothing(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(answer_words=120, token_delay=0.04)
    visitor = visit(someone)
    page = visitor.open("/ask")
    _ask(page, "long question")
    expect(_live(page)).to_contain_text("w5")
    stack.line.cut()
    expect(page.locator(".maru-answer")).to_be_visible(timeout=25_000)
    visitor.settle()
    words = _words(page)
    assert _in_order(words)
    assert words == re.findall(r"\bw\d+\b", _messages(someone)[-1]["content"])
    assert len(_messages(someone)) == 2


def test_a_stream_that_the_gateway_cuts_again_and_again_completes(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(answer_words=60, cut_after=9)
    visitor = visit(someone)
    page = visitor.open("/ask")
    _ask(page, "long question")
    expect(page.locator(".maru-answer")).to_be_visible(timeout=25_000)
    assert _in_order(_words(page))
    assert len(_messages(someone)) == 2


def test_the_app_restarts_mid_answer_and_page_draft_and_answer_survive(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(answer_words=160, token_delay=0.05)
    visitor = visit(someone)
    page = visitor.open("/ask")
    _ask(page, "long question")
    expect(_live(page)).to_contain_text("w5")
    address = page.url
    page.get_by_placeholder("기록에 대해 무엇이든 물어보세요").fill("아직 보내지 않은 물음")
    stack.app.stop(hard=True)
    stack.app.start()
    expect(page.locator(".maru-answer")).to_be_visible(timeout=40_000)
    visitor.settle()
    assert _in_order(_words(page))
    assert page.url == address
    expect(page.get_by_placeholder("기록에 대해 무엇이든 물어보세요")).to_have_value("아직 보내지 않은 물음")


def test_leaving_mid_answer_and_coming_back_finds_it_live_or_whole(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(answer_words=150, token_delay=0.04)
    visitor = visit(someone)
    page = visitor.open("/ask")
    _ask(page, "long question")
    expect(_live(page)).to_contain_text("w5")
    address = page.url.removeprefix(visitor.base)
    visitor.open("/journal")
    visitor.open(address, settled=False)
    expect(page.get_by_text("w8").first).to_be_visible()
    expect(page.locator(".maru-answer")).to_be_visible(timeout=20_000)
    assert _in_order(_words(page))


def test_a_question_typed_while_an_answer_runs_is_asked_after_it(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(answer_words=60, token_delay=0.04)
    visitor = visit(someone)
    page = visitor.open("/ask")
    _ask(page, "long first")
    expect(_live(page)).to_contain_text("w2")
    _ask(page, "두 번째 물음")
    eventually_sync(lambda: len(_messages(someone)) == 4, within=20)
    visitor.settle()
    assert [m["content"] for m in _messages(someone) if m["role"] == "user"] == ["long first", "두 번째 물음"]


def test_enter_while_composing_hangul_does_not_send(visit: Any, stack: Any, someone: Any) -> None:
    visitor = visit(someone)
    page = visitor.open("/ask")
    page.get_by_placeholder("기록에 대해 무엇이든 물어보세요").click()
    input_method = visitor.context.new_cdp_session(page)
    input_method.send("Input.imeSetComposition", {"text": "할머니", "selectionStart": 3, "selectionEnd": 3})
    input_method.send(
        "Input.dispatchKeyEvent",
        {"type": "rawKeyDown", "key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229},
    )
    input_method.send("Input.insertText", {"text": "할머니"})
    visitor.settle()
    assert stack.calls("/api/v1/conversations/") == [] or _nothing_asked(someone)
    page.keyboard.press("Enter")
    eventually_sync(lambda: not _nothing_asked(someone), within=10)


def _nothing_asked(who: Any) -> bool:
    return who.http.get("/api/v1/conversations").json()["conversations"] == []


def test_history_is_grouped_by_date_and_a_conversation_can_be_renamed_and_deleted(visit: Any, someone: Any) -> None:
    visitor = visit(someone)
    page = visitor.open("/ask")
    _ask(page, "처음 물음")
    expect(page.locator(".maru-answer")).to_be_visible()
    visitor.settle()
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_role("heading", name="오늘")).to_be_visible()
    expect(sidebar.get_by_role("link", name="처음 물음")).to_be_visible()
    visitor.button("대화 관리").click()
    page.get_by_label("대화 제목").fill("새 이름")
    visitor.button("이름 바꾸기").click()
    expect(page.get_by_role("heading", name="새 이름")).to_be_visible()
    visitor.settle()
    page.keyboard.press("Escape")
    visitor.button("대화 관리").click()
    visitor.button("대화 지우기").click()
    page.get_by_role("dialog").get_by_role("button", name="지우기", exact=True).click()
    expect(page.get_by_text("남겨 둔 기록에서 찾아 대답하고")).to_be_visible()
    assert _nothing_asked(someone)


def test_another_persons_conversation_is_not_there(visit: Any, stack: Any, someone: Any) -> None:
    other = stack.somebody("다른 사람")
    made = other.http.post("/api/v1/conversations", json={"title": "비밀스러운 이야기"}).json()
    visitor = visit(someone)
    page = visitor.open(f"/ask?c={made['id']}")
    expect(page.get_by_text("이 대화는 없습니다")).to_be_visible()
    assert "비밀스러운" not in page.content()


def test_when_the_gateway_is_away_the_page_says_so_and_recovers(visit: Any, stack: Any, someone: Any) -> None:
    visitor = visit(someone)
    page = visitor.open("/ask")
    httpx.post(f"{stack.peer.url}/control", json={"down": True})
    _ask(page, "처음 물음")
    expect(page.get_by_role("alert").first).to_contain_text("서버")
    assert "Traceback" not in page.content()
    stack.control(down=False)
    visitor.button("다시 시도").first.click()
    expect(page.locator(".maru-answer")).to_be_visible()
    assert [m["role"] for m in _messages(someone)] == ["user", "assistant"]
