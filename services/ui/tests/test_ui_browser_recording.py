"""Recording in the composer with Chromium's beeping microphone, and what is said where none may be used."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from shared.testing.waiting import eventually_sync

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-files")]


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def _composer(visitor: Any) -> Page:
    page: Page = visitor.open("/journal")
    page.get_by_role("radio", name="음성").first.click()
    expect(page.get_by_role("button", name="녹음하기")).to_be_visible()
    return page


def _record(page: Page) -> None:
    """Until the meter has moved and the first second is over."""
    page.get_by_role("button", name="녹음하기").click()
    expect(page.get_by_text("녹음 중")).to_be_visible()
    expect(page.locator(".maru-record-time")).not_to_have_text("0:00")


def _entries(who: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = who.http.get("/api/v1/entries").json()["entries"]
    return rows


def test_a_recording_is_heard_before_it_becomes_a_file_of_the_entry(visit: Any, someone: Any, theme: str) -> None:
    visitor = visit(someone, theme=theme)
    visitor.context.grant_permissions(["microphone"])
    page = _composer(visitor)
    page.get_by_role("button", name="녹음하기").click()
    level = "() => Number(document.querySelector('.maru-record-bar')?.dataset.level) > 0.02"
    eventually_sync(lambda: page.evaluate(level))
    expect(page.locator(".maru-record-time")).not_to_have_text("0:00")
    assert visitor.violations() == []
    page.get_by_role("button", name="녹음 끝내기").click()
    heard = page.locator(".maru-record audio")
    eventually_sync(lambda: heard.evaluate("(audio) => audio.readyState >= 2"))
    assert visitor.violations() == []
    page.get_by_role("button", name="이 녹음 쓰기").click()
    expect(page.get_by_text("준비됨")).to_be_visible()
    visitor.button("남기기").click()
    eventually_sync(lambda: len(_entries(someone)) == 1)
    [file] = _entries(someone)[0]["attachments"]
    assert file["filename"].startswith("녹음 ")
    assert file["content_type"] == "audio/webm"
    assert file["size"] > 1000


def test_a_discarded_recording_leaves_nothing(visit: Any, stack: Any, someone: Any) -> None:
    visitor = visit(someone)
    visitor.context.grant_permissions(["microphone"])
    page = _composer(visitor)
    before = len(stack.calls("/api/v1/uploads"))
    _record(page)
    expect(page.get_by_role("button", name="녹음 끝내기")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="버리기").click()
    expect(page.get_by_role("button", name="녹음하기")).to_be_visible()
    assert page.locator(".maru-file").count() == 0
    assert len(stack.calls("/api/v1/uploads")) == before


def test_a_recording_ends_when_its_place_is_left_and_can_still_be_heard(visit: Any, someone: Any) -> None:
    visitor = visit(someone)
    visitor.context.grant_permissions(["microphone"])
    page = _composer(visitor)
    _record(page)
    page.get_by_role("radio", name="사진", exact=True).first.click()
    expect(page.get_by_text("사진 고르기")).to_be_visible()
    page.get_by_role("radio", name="음성").first.click()
    expect(page.locator(".maru-record audio")).to_be_visible()
    page.get_by_role("button", name="이 녹음 쓰기").click()
    expect(page.get_by_text("준비됨")).to_be_visible()


def test_a_microphone_that_is_refused_is_said_plainly(visit: Any, someone: Any) -> None:
    visitor = visit(someone)
    page = _composer(visitor)
    page.get_by_role("button", name="녹음하기").click()
    expect(page.get_by_role("alert")).to_contain_text("마이크를 쓰지 못하게")
    assert visitor.violations() == []
    visitor.context.grant_permissions(["microphone"])
    page.get_by_role("button", name="녹음하기").click()
    expect(page.get_by_text("녹음 중")).to_be_visible()
    assert page.get_by_role("alert").count() == 0
