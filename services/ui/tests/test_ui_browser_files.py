"""Files chosen at awkward moments, in a real browser: none may be lost, none may come twice."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from shared.testing.waiting import eventually_sync

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-files")]


def _png(path: Path) -> Path:
    Image.new("RGB", (48, 48), (43, 130, 107)).save(path)
    return path


def _photos(visitor: Any) -> Page:
    """The journal with the picker of photos."""
    page: Page = visitor.open("/journal")
    page.get_by_role("radio", name="사진", exact=True).first.click()
    expect(page.get_by_label("사진 고르기")).to_be_attached()
    return page


def _pick(page: Page, path: Path) -> None:
    page.locator('.maru-upload:visible input[type="file"]').set_input_files(path)


def _chosen(page: Page, *names: str) -> None:
    """These files stand in the picker, each sent and ready."""
    expect(page.locator(".maru-file-name:visible")).to_have_text(list(names))
    expect(page.get_by_text("준비됨")).to_have_count(len(names))


def _kept(who: Any) -> list[list[str]]:
    """The names of each entry's files, oldest entry first."""
    rows = who.http.get("/api/v1/entries").json()["entries"]
    return [[file["filename"] for file in row["attachments"]] for row in reversed(rows)]


def test_a_file_chosen_while_an_entry_is_being_kept_belongs_to_the_next(
    visit: Any, stack: Any, someone: Any, tmp_path: Path
) -> None:
    visitor = visit(someone)
    page = _photos(visitor)
    _pick(page, _png(tmp_path / "first.png"))
    _chosen(page, "first.png")
    stack.control(write_delay=1.5)
    visitor.button("남기기").click()
    _pick(page, _png(tmp_path / "second.png"))
    eventually_sync(lambda: _kept(someone) == [["first.png"]])
    _chosen(page, "second.png")
    visitor.button("남기기").click()
    eventually_sync(lambda: _kept(someone) == [["first.png"], ["second.png"]])


def test_a_file_chosen_while_the_entry_before_is_still_read_stays(
    visit: Any, stack: Any, someone: Any, tmp_path: Path
) -> None:
    stack.control(step_delay=0.6)
    visitor = visit(someone)
    page = _photos(visitor)
    for number in range(3):
        name = f"{number}.png"
        _pick(page, _png(tmp_path / name))
        _chosen(page, name)
        visitor.button("남기기").click()
        eventually_sync(lambda number=number: len(_kept(someone)) == number + 1)
    assert _kept(someone) == [["0.png"], ["1.png"], ["2.png"]]


def test_a_photo_stays_chosen_while_another_kind_or_page_is_shown(
    visit: Any, stack: Any, someone: Any, tmp_path: Path
) -> None:
    visitor = visit(someone)
    page = _photos(visitor)
    _pick(page, _png(tmp_path / "stays.png"))
    page.get_by_role("radio", name="문서").first.click()
    expect(page.get_by_text("문서 고르기")).to_be_visible()
    page.get_by_test_id("stSidebar").get_by_role("link", name="묻기").click()
    expect(page.get_by_role("heading", name="묻기", exact=True)).to_be_visible()
    visitor.settle()
    page.get_by_test_id("stSidebar").get_by_role("link", name="기록").click()
    expect(page.get_by_role("heading", name="기록", exact=True)).to_be_visible()
    page.get_by_role("radio", name="사진", exact=True).first.click()
    _chosen(page, "stays.png")
    visitor.button("남기기").click()
    eventually_sync(lambda: _kept(someone) == [["stays.png"]])


def test_a_chosen_photo_outlives_a_restart_of_the_app(visit: Any, stack: Any, someone: Any, tmp_path: Path) -> None:
    visitor = visit(someone)
    page = _photos(visitor)
    _pick(page, _png(tmp_path / "a.png"))
    _chosen(page, "a.png")
    stack.app.stop(hard=True)
    expect(page.locator('[data-test-connection-state="CONNECTED"]')).to_have_count(0)
    stack.app.start()
    expect(page.locator('[data-test-connection-state="CONNECTED"]')).to_be_visible(timeout=40_000)
    visitor.button("남기기").click()
    eventually_sync(lambda: _kept(someone) == [["a.png"]], within=30)


def test_a_press_that_comes_twice_keeps_one_entry(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(write_delay=0.3)
    visitor = visit(someone)
    page = visitor.open("/journal")
    page.locator(".st-key-compose textarea:visible").fill("두 번 눌렀다.")
    visitor.button("남기기").dblclick()
    expect(page.locator(".st-key-compose textarea:visible")).to_have_value("")
    visitor.settle()
    assert len(_kept(someone)) == 1
    assert page.get_by_role("alert").count() == 0
    page.locator(".st-key-compose textarea:visible").fill("두 번째 글.")
    visitor.button("남기기").click()
    eventually_sync(lambda: len(_kept(someone)) == 2)


def test_a_file_that_was_taken_out_can_be_chosen_again(visit: Any, someone: Any, tmp_path: Path) -> None:
    visitor = visit(someone)
    page = _photos(visitor)
    _pick(page, _png(tmp_path / "again.png"))
    _chosen(page, "again.png")
    visitor.button("빼기: again.png").click()
    expect(page.locator(".maru-file")).to_have_count(0)
    _pick(page, tmp_path / "again.png")
    _chosen(page, "again.png")


def test_whoever_comes_back_and_presses_before_the_browser_speaks_keeps_what_was_chosen(
    visit: Any, stack: Any, someone: Any, tmp_path: Path
) -> None:
    visitor = visit(someone)
    page = _photos(visitor)
    _pick(page, _png(tmp_path / "early.png"))
    _chosen(page, "early.png")
    visitor.settle()
    page.get_by_test_id("stSidebar").get_by_role("link", name="묻기").click()
    expect(page.get_by_role("heading", name="묻기", exact=True)).to_be_visible()
    visitor.settle()
    # Reports wait while somebody types or presses; so this one does not come before the press below.
    page.evaluate("setInterval(() => dispatchEvent(new KeyboardEvent('keydown', { key: ' ' })), 20)")
    page.get_by_test_id("stSidebar").get_by_role("link", name="기록").click()
    expect(page.get_by_role("heading", name="기록", exact=True)).to_be_visible()
    page.get_by_role("radio", name="사진", exact=True).first.click()
    _chosen(page, "early.png")
    visitor.button("남기기").click()
    eventually_sync(lambda: _kept(someone) == [["early.png"]])
