"""For everyone: axe in both themes, keyboard alone, narrow windows, Korean, no other origin, waiting shown."""

import json
import re
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect
from shared.testing.waiting import eventually_sync

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-writing")]

# The framework's own faults, each by name: nothing of ours may hide behind them.
_WAIVED: frozenset[str] = frozenset()
_PLACES = ("today", "journal", "calendar", "patterns", "ask", "answer", "entry", "settings")


def _household(who: Any) -> dict[str, str]:
    """Something on every page; the addresses of all of them."""
    entry = who.write("할머니와 시장에 갔다. 고구마를 고르시며 크게 웃으셨다.", title="시장")
    who.write("A quiet walk along the river. I felt calm.", title="Walk")
    conversation = who.http.post("/api/v1/conversations", json={}).json()["id"]
    who.http.post(f"/api/v1/conversations/{conversation}/messages", json={"content": "고구마는?"}).raise_for_status()
    return {
        "today": "/",
        "journal": "/journal",
        "calendar": "/journal?view=calendar",
        "patterns": "/journal?view=patterns",
        "ask": "/ask",
        "answer": f"/ask?c={conversation}",
        "entry": f"/entry?id={entry['id']}&start=0&end=11&v=1",
        "settings": "/settings",
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_an_axe_violation(visit: Any, someone: Any, theme: str) -> None:
    places = _household(someone)
    visitor = visit(someone, theme=theme)
    found: dict[str, list[str]] = {}
    for name in _PLACES:
        visitor.open(places[name])
        expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
        found[name] = visitor.violations(_WAIVED)
    stranger = visit(theme=theme)
    stranger.open("/")
    found["sign-in"] = stranger.violations(_WAIVED)
    assert {name: rows for name, rows in found.items() if rows} == {}


@pytest.mark.parametrize("language", ["ko", "en"])
def test_nothing_reaches_beyond_a_window_of_320_pixels(visit: Any, someone: Any, language: str) -> None:
    places = _household(someone)
    visitor = visit(someone, width=320, language=language)
    found: dict[str, list[str]] = {}
    for name in _PLACES:
        visitor.open(places[name])
        expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
        found[name] = visitor.overflow()
    assert {name: rows for name, rows in found.items() if rows} == {}


def test_korean_pages_show_no_english_word_of_ours(visit: Any, someone: Any) -> None:
    english = json.loads(files("ui").joinpath("locales", "en.json").read_text(encoding="utf-8"))
    korean = json.loads(files("ui").joinpath("locales", "ko.json").read_text(encoding="utf-8"))
    ours = {text for key, text in english.items() if len(text) > 3 and "{" not in text and korean[key] != text}
    places = _household(someone)
    visitor = visit(someone)
    for name in _PLACES:
        page = visitor.open(places[name])
        assert page.evaluate("document.documentElement.lang") == "ko"
        lines = {line.strip() for line in page.locator("body").inner_text().splitlines()}
        assert lines & (ours - {"Maru", "English"}) == set(), name


def test_no_request_leaves_our_own_origins(visit: Any, stack: Any, someone: Any) -> None:
    places = _household(someone)
    visitor = visit(someone)
    for name in _PLACES:
        visitor.open(places[name])
    own = {urlsplit(stack.line.url).netloc, urlsplit(stack.peer.url).netloc, ""}
    assert {urlsplit(url).netloc for url in visitor.requests} <= own


def test_the_keyboard_alone_signs_in_writes_and_asks(visit: Any, someone: Any) -> None:
    visitor = visit()
    page = visitor.open("/")
    keys = page.keyboard
    page.get_by_label("이메일").focus()
    keys.type(someone.email)
    keys.press("Tab")
    keys.type(someone.password)
    keys.press("Enter")
    expect(page.get_by_role("heading", name="지은 님, 안녕하세요")).to_be_visible()
    visitor.settle()
    _tab_to(page, "첫 기록 남기기")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="기록", exact=True)).to_be_visible()
    visitor.settle()
    _tab_to(page, "글", role="textarea")
    keys.type("키보드만으로 쓴 글. 고구마가 맛있어서 기뻤다.")
    _tab_to(page, "남기기")
    keys.press("Enter")
    expect(page.locator("a.maru-card")).to_contain_text("키보드만으로")
    visitor.settle()
    _tab_to(page, "묻기", backwards=True)
    keys.press("Enter")
    expect(page.get_by_role("heading", name="묻기", exact=True)).to_be_visible()
    visitor.settle()
    page.get_by_placeholder("기록에 대해 무엇이든 물어보세요").focus()
    keys.type("고구마는 어땠어?")
    keys.press("Enter")
    expect(page.locator("a.maru-cite").first).to_be_visible()
    visitor.settle()
    page.locator("a.maru-cite").first.focus()
    keys.press("Enter")
    expect(page.locator("mark")).to_contain_text("고구마")
    expect(page.locator("mark")).to_be_focused()


def _tab_to(page: Any, text: str, *, role: str = "", backwards: bool = False) -> None:
    """Press Tab until the focus is on what carries this text."""
    for _ in range(60):
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
        words, tag = page.evaluate(
            "[(document.activeElement.getAttribute('aria-label') || document.activeElement.innerText || '').trim(),"
            " document.activeElement.tagName.toLowerCase()]"
        )
        if (role and tag == role) or (not role and tag in ("a", "button") and words.endswith(text)):
            return
    raise AssertionError(f"Tab never reached {text}")


def test_status_changes_are_announced_at_their_boundaries_only(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(answer_words=80, token_delay=0.03)
    visitor = visit(someone)
    page = visitor.open("/ask")
    page.evaluate("""() => {
      window.said = [];
      new MutationObserver(() => {
        const text = document.getElementById('maru-live')?.textContent;
        if (text && window.said.at(-1) !== text) window.said.push(text);
      }).observe(document.body, { childList: true, subtree: true, characterData: true });
    }""")
    page.get_by_placeholder("기록에 대해 무엇이든 물어보세요").fill("long question")
    page.keyboard.press("Enter")
    expect(page.locator(".maru-answer")).to_be_visible()
    eventually_sync(lambda: page.evaluate("window.said.length") >= 2)
    assert page.evaluate("window.said") == ["기록을 찾아보고 있어요…", "대답이 끝났습니다."]


def test_what_takes_long_shows_that_it_goes_on(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(first_delay=14)
    visitor = visit(someone)
    page = visitor.open("/ask")
    page.get_by_placeholder("기록에 대해 무엇이든 물어보세요").fill("long question")
    page.keyboard.press("Enter")
    expect(page.locator(".st-key-answer-live")).to_contain_text("기록을 찾아보고 있어요…", timeout=2000)
    expect(page.locator(".st-key-answer-live")).to_contain_text(re.compile(r"1[0-3]초 지났습니다"), timeout=14_000)


def test_no_failure_shows_a_traceback_a_path_or_an_exception(visit: Any, stack: Any, someone: Any) -> None:
    places = _household(someone)
    visitor = visit(someone)
    visitor.open("/")
    stack.control(down=True)
    for name in _PLACES:
        page = visitor.open(places[name])
        # Asking needs nothing of the gateway before there is a question; there, the history says what is wrong.
        expect(page.get_by_text("저장된 것은 그대로 있습니다").first).to_be_visible()
        assert (
            re.search(r"Traceback|Exception|Error:|\.py|/work|site-packages", page.locator("body").inner_text()) is None
        )
    stack.control(down=False)
    visitor.button("다시 시도").first.click()
    expect(visitor.page.get_by_role("heading", name="설정", exact=True)).to_be_visible()
