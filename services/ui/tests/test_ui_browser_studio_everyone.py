"""Studio and administration for everyone: axe, narrow windows, both languages, keyboard alone, nothing but words."""

import json
import re
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-studio")]


@pytest.fixture
def places(stack: Any) -> Any:
    """An administrator with a job in every state; the addresses of all pages."""
    who = stack.somebody("관리자")
    photos = who.photos(4)
    done = who.job(photos)
    who.job_ends(done)
    stack.control(fail_tasks=2)
    failed = who.job(photos)
    who.job_ends(failed, "failed")
    stack.control(workers=0, fail_tasks=0)
    waiting = who.job(photos)
    who.http.post("/api/v1/admin/worker-tokens", json={"name": "box"})
    views = ("usage", "workers", "queues", "letters", "tokens", "hosts")
    jobs = {"done": done, "failed": failed, "waiting": waiting}
    pages = {"list": "/studio", "new": "/studio?new=1"}
    pages |= {name: f"/studio?job={job}" for name, job in jobs.items()}
    pages |= {f"admin-{view}": f"/admin?view={view}" for view in views}
    yield who, pages
    stack.control(workers=1)


def _shown(visitor: Any, path: str) -> Any:
    page = visitor.open(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if "job=" in path:
        expect(page.locator(".maru-tile").first).to_be_visible()
    if "new=" in path:
        expect(page.get_by_role("option").first).to_be_visible()
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_of_studio_has_an_axe_violation(visit: Any, places: Any, theme: str) -> None:
    who, pages = places
    visitor = visit(who, theme=theme)
    found: dict[str, list[str]] = {}
    for name, path in pages.items():
        _shown(visitor, path)
        found[name] = visitor.violations()
    page = _shown(visitor, pages["new"])
    page.get_by_role("option").nth(1).click()
    page.get_by_role("radio", name="여백 두르기").click()
    visitor.settle()
    found["chosen"] = visitor.violations()
    for name, status in (("done", "done"), ("failed", "failed")):
        page = _shown(visitor, pages[name])
        page.locator(f'.maru-tile[data-status="{status}"]').first.click()
        found[f"{name}-viewer"] = visitor.violations()
    assert {name: rows for name, rows in found.items() if rows} == {}


@pytest.mark.parametrize("language", ["ko", "en"])
def test_studio_fits_a_window_of_320_pixels(visit: Any, places: Any, language: str) -> None:
    who, pages = places
    visitor = visit(who, width=320, language=language)
    found: dict[str, list[str]] = {}
    for name, path in pages.items():
        _shown(visitor, path)
        found[name] = visitor.overflow()
    assert {name: rows for name, rows in found.items() if rows} == {}


def test_korean_studio_shows_no_english_word_of_ours(visit: Any, places: Any) -> None:
    english = json.loads(files("ui").joinpath("locales", "en.json").read_text(encoding="utf-8"))
    korean = json.loads(files("ui").joinpath("locales", "ko.json").read_text(encoding="utf-8"))
    ours = {text for key, text in english.items() if len(text) > 3 and "{" not in text and korean[key] != text}
    who, pages = places
    visitor = visit(who)
    for name, path in pages.items():
        page = _shown(visitor, path)
        lines = {line.strip() for line in page.locator("body").inner_text().splitlines()}
        assert lines & (ours - {"Maru", "English"}) == set(), name


def test_no_failure_in_studio_shows_more_than_words(visit: Any, stack: Any, places: Any) -> None:
    who, pages = places
    visitor = visit(who)
    visitor.open("/studio")
    stack.control(down=True)
    for path in pages.values():
        page = visitor.open(path)
        expect(page.get_by_text("저장된 것은 그대로 있습니다").first).to_be_visible()
        words = page.locator("body").inner_text()
        assert re.search(r"Traceback|Exception|Error:|\.py|/work|site-packages", words) is None
    stack.control(down=False)


def test_the_keyboard_alone_chooses_runs_and_looks(visit: Any, stack: Any, someone: Any) -> None:
    someone.photos(6)
    visitor = visit(someone)
    page = visitor.open("/studio")
    keys = page.keyboard
    _tab_to(page, "새 작업")
    keys.press("Enter")
    expect(page.get_by_role("option")).to_have_count(6)
    visitor.settle()
    _tab_to(page, "여름 5.png", role="option")
    keys.press("Space")
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    keys.press("Shift+ArrowRight")
    expect(page.locator(".maru-pick-count")).to_have_text("3장 골랐어요")
    visitor.settle()
    _tab_to(page, "키우기", role="radio")
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    keys.press("Space")
    expect(page.get_by_role("radio", name="흑백으로")).to_be_checked()
    visitor.settle()
    _tab_to(page, "사진 3장에 실행")
    keys.press("Enter")
    expect(page.locator('.maru-tile[data-status="done"]')).to_have_count(3)
    visitor.settle()
    _tab_to(page, "완료", role="tile")
    keys.press("Enter")
    expect(page.get_by_role("slider", name="이전과 이후 견주기")).to_be_focused()
    keys.press("Escape")
    expect(page.locator(".maru-viewer[open]")).to_have_count(0)


def _tab_to(page: Any, text: str, *, role: str = "") -> None:
    """Press Tab until the focus is on what carries this text."""
    for _ in range(60):
        page.keyboard.press("Tab")
        words, kind = page.evaluate(
            "[(document.activeElement.getAttribute('aria-label') || document.activeElement.innerText || '').trim(),"
            " document.activeElement.className + ' ' + (document.activeElement.getAttribute('role') || document.activeElement.tagName.toLowerCase())]"
        )
        if text in words and (role or "button") in kind:
            return
    raise AssertionError(f"Tab never reached {text}")
