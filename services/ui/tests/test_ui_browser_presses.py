"""What is pressed in the moment in which a page is drawn anew, in a real browser: no press may be lost."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from shared.testing.waiting import eventually_sync

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-files")]

# Two presses so close that the page cannot answer the first before it hears the second; each is its own message.
_AT_ONCE = """([first, second]) => new Promise((done) => {
  first.click();
  setTimeout(() => { second.click(); done(); }, 0);
})"""


def _at_once(page: Page, first: Locator, second: Locator) -> None:
    page.evaluate(_AT_ONCE, [first.element_handle(), second.element_handle()])


def _down(page: Page, what: Locator) -> None:
    """The pointer goes down in the middle of this, and stays there."""
    what.scroll_into_view_if_needed()
    box = what.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()


def _press_elsewhere(what: Locator) -> None:
    """Have the page drawn anew, without the pointer."""
    what.evaluate("(element) => element.click()")


def _heading(page: Page, name: str) -> Locator:
    return page.get_by_role("heading", name=name, exact=True, level=1)


def test_a_card_that_moves_on_under_the_pointer_opens(visit: Any, someone: Any) -> None:
    someone.write("바다를 보았다.", title="바다")
    page = visit(someone).open("/journal")
    _down(page, page.locator("a.maru-card", has_text="바다"))
    someone.write("산을 보았다.", title="산")
    _press_elsewhere(page.get_by_role("radio", name="사진", exact=True).first)
    expect(page.locator("a.maru-card")).to_have_count(2)
    page.mouse.up()
    expect(_heading(page, "바다")).to_be_visible()


def test_a_card_that_goes_away_under_the_pointer_opens(visit: Any, someone: Any) -> None:
    someone.write("바다를 보았다.", title="바다")
    page = visit(someone).open("/journal")
    _down(page, page.locator("a.maru-card"))
    _press_elsewhere(page.get_by_role("radio", name="사진첩"))
    expect(page.locator("a.maru-card")).to_have_count(0)
    page.mouse.up()
    expect(_heading(page, "바다")).to_be_visible()


def test_a_card_of_a_view_that_is_being_left_opens_and_one_step_leads_back(visit: Any, someone: Any) -> None:
    made = someone.write("바다를 보았다.", title="바다")
    page = visit(someone).open("/journal")
    expect(page.locator("a.maru-card")).to_be_visible()
    _at_once(page, page.get_by_role("radio", name="사진첩"), page.locator("a.maru-card"))
    expect(_heading(page, "바다")).to_be_visible()
    expect(page).to_have_url(re.compile(f"/entry\\?id={made['id']}$"))
    page.go_back()
    expect(_heading(page, "기록")).to_be_visible()


def test_a_day_pressed_just_before_something_else_is_shown(visit: Any, stack: Any, someone: Any) -> None:
    someone.write("이른 아침의 글.", occurred_at="2026-03-09T23:30:00+00:00")
    page = visit(someone).open("/journal?view=calendar&month=2026-03")
    day = page.get_by_role("button", name="3월 10일 화요일, 기록 1편")
    expect(day).to_be_visible()
    # The run that hears of the day still waits for the gateway when the next press comes.
    stack.control(slow_reads=0.6)
    _at_once(page, day, page.get_by_role("radio", name="문서"))
    expect(page.locator("a.maru-card")).to_contain_text("이른 아침의 글.")
    expect(page.get_by_text("문서 고르기")).to_be_visible()


def test_a_button_that_moves_away_because_a_field_was_left_is_heard(visit: Any, someone: Any) -> None:
    someone.photo()
    page = visit(someone).open("/studio?new=1")
    page.get_by_role("option").click()
    page.get_by_role("radio", name="크기 바꾸기").click()
    field, run = page.get_by_label("너비 (픽셀)"), page.get_by_role("button", name="사진 1장에 실행")
    expect(run).to_be_visible()
    field.fill("320")
    before = run.bounding_box()
    _down(page, run)
    expect(page.get_by_text("초 걸립니다.")).to_be_visible()
    assert run.bounding_box() != before
    page.mouse.up()
    expect(page.locator(".maru-job-head")).to_be_visible()
    (job,) = someone.http.get("/api/v1/jobs").json()["jobs"]
    assert job["params"]["width"] == 320


def test_a_pointer_that_is_taken_off_presses_nothing(visit: Any, someone: Any) -> None:
    for title in ("바다", "산"):
        someone.write(f"{title}.", title=title)
    page = visit(someone).open("/journal")
    _down(page, page.locator("a.maru-card", has_text="바다"))
    page.mouse.move(5, 5)
    page.mouse.up()
    page.locator("a.maru-card", has_text="산").click()
    expect(_heading(page, "산")).to_be_visible()
    page.go_back()
    expect(_heading(page, "기록")).to_be_visible()


def test_a_card_opens_in_a_tab_of_its_own_where_that_is_asked_for(visit: Any, someone: Any) -> None:
    someone.write("바다를 보았다.", title="바다")
    visitor = visit(someone)
    page = visitor.open("/journal")
    with visitor.context.expect_page() as opened:
        page.locator("a.maru-card").click(modifiers=["ControlOrMeta"])
    expect(_heading(opened.value, "바다")).to_be_visible()
    expect(_heading(page, "기록")).to_be_visible()


def test_an_entry_is_corrected_while_it_is_still_read(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(step_delay=20)
    made = someone.http.post("/api/v1/entries", json={"kind": "note", "body": "산을 보았다.", "title": "산"}).json()
    visitor = visit(someone)
    page = visitor.open(f"/entry?id={made['id']}", settled=False)
    expect(page.locator(".st-key-arriving")).to_be_visible()
    visitor.button("고쳐 쓰기").click()
    page.get_by_role("dialog").get_by_role("textbox", name="글").fill("바다를 보았다.")
    page.get_by_role("dialog").get_by_role("button", name="저장").click()
    expect(page.locator(".maru-reader")).to_have_text("바다를 보았다.")
    visitor.button("지우기").click()
    page.get_by_role("dialog").get_by_role("button", name="취소").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".st-key-arriving")).to_be_visible()


def test_a_conversation_is_deleted_while_an_answer_is_written(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(answer_words=2000, token_delay=0.05)
    visitor = visit(someone)
    page = visitor.open("/ask")
    box = page.get_by_placeholder("기록에 대해 무엇이든 물어보세요")
    box.fill("long question")
    box.press("Enter")
    expect(page.locator(".st-key-answer-live")).to_contain_text("w5")
    page.reload()
    expect(page.locator(".st-key-answer-live")).to_contain_text("w5")
    visitor.button("대화 관리").click()
    visitor.button("대화 지우기").click()
    page.get_by_role("dialog").get_by_role("button", name="지우기", exact=True).click()
    expect(page.get_by_text("남겨 둔 기록에서 찾아 대답하고")).to_be_visible()
    eventually_sync(lambda: someone.http.get("/api/v1/conversations").json()["conversations"] == [])
