"""A real browser for tests: fixtures for a conftest to import, and what every journey does.

Fixtures end with their module, because Playwright keeps an event loop of its own in this thread.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"][data-test-connection-state="CONNECTED"]'
# As root, Chromium needs no sandbox; without the network flags it looks for hosts that a test machine cannot reach.
_FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # A microphone that beeps, for pages that were allowed to use one.
    "--use-fake-device-for-media-stream",
]
_WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@dataclass
class Visitor:
    """One person's browser window on one installation; keeps what the page complained about and whom it asked."""

    context: BrowserContext
    page: Page
    base: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, path: str = "/", *, settled: bool = True) -> Page:
        """Go to a path of the app and wait until its script has ended, unless it is meant to go on."""
        self.page.goto(self.base + path)
        if settled:
            self.settle()
        return self.page

    def settle(self, seconds: float = 30) -> None:
        """Wait until the page is connected and no script runs."""
        self.page.locator(IDLE).wait_for(timeout=seconds * 1000)

    def tab(self) -> Visitor:
        """Another tab of the same browser."""
        return _watched(self.context, self.base)

    def cookie(self, name: str) -> Any:
        """The cookie of this name, as the browser holds it."""
        return next((row for row in self.context.cookies() if row["name"] == name), None)

    def button(self, name: str) -> Locator:
        """The button of exactly this name; icons are no part of it."""
        return self.page.get_by_role("button", name=name)

    def violations(self, waived: frozenset[str] = frozenset()) -> list[str]:
        """What axe finds against WCAG 2.2 AA, but for the rules named here."""
        from axe_playwright_python.sync_playwright import Axe

        options = {"runOnly": {"type": "tag", "values": _WCAG}, "resultTypes": ["violations"]}
        found = Axe().run(self.page, options=options).response["violations"]
        return [
            f"{rule['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
            for rule in found
            if rule["id"] not in waived
            for node in rule["nodes"][:4]
        ]

    def overflow(self) -> list[str]:
        """Elements that reach beyond the right edge of the window."""
        found: list[str] = self.page.evaluate(
            """() => [...document.querySelectorAll('.stMain *')].filter((e) => {
              const box = e.getBoundingClientRect();
              return box.width > 0 && box.right > innerWidth + 1 && !e.closest('.maru-visually-hidden');
            }).slice(0, 5).map((e) => e.outerHTML.slice(0, 160))"""
        )
        return found


Visit = Callable[..., Visitor]


def _watched(context: BrowserContext, base: str) -> Visitor:
    page = context.new_page()
    visitor = Visitor(context, page, base)
    page.on("pageerror", lambda error: visitor.errors.append(str(error)))
    page.on("request", lambda request: visitor.requests.append(request.url))
    return visitor


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """Chromium, as the machine has it."""
    from playwright.sync_api import expect, sync_playwright

    # Patience for a machine that runs other tests too; what must come soon says so itself.
    expect.set_options(timeout=30_000)
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit_at(browser: Browser) -> Generator[Visit]:
    """Open a window at a base address; every window is closed at the end, and none may have thrown."""
    opened: list[Visitor] = []

    def visit(
        base: str, *, language: str = "ko", theme: str = "light", width: int = 1280, cookies: tuple[Any, ...] = ()
    ) -> Visitor:
        context = browser.new_context(
            locale="ko-KR" if language == "ko" else "en-GB",
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
            timezone_id="Asia/Seoul",
        )
        context.add_cookies(list(cookies))
        context.set_default_timeout(30_000)
        visitor = _watched(context, base)
        opened.append(visitor)
        return visitor

    yield visit
    for visitor in opened:
        visitor.context.close()
    assert [error for visitor in opened for error in visitor.errors] == []
