"""Processor time of the web app for one rerun: a signed-in person goes back and forth between two pages in a real browser."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
from maru.home import socket_folder

from bench.figure import Figure, not_measured
from bench.product import Product, product

if TYPE_CHECKING:
    from playwright.sync_api import Page

_RERUNS = 40
_GOAL_MS = 15
# Of an app of two pages under Streamlit's own settings, on two shared cores.
_DEFAULTS_MS = 74.5
_IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"][data-test-connection-state="CONNECTED"]'
_PASSWORD = "마루 bench 4711"


def measure() -> list[Figure]:
    """Needs a Chromium on the machine."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        return [not_measured("UI rerun CPU", f"≤ {_GOAL_MS} ms", "no Chromium on this machine")]
    with product(flags=("--ui",)) as running:
        ours = _measure_in(running, chromium)
    floor = "Streamlit defaults, published"
    return [
        Figure(
            "UI rerun CPU", ours, "ms", f"≤ {_GOAL_MS} ms", ours <= _GOAL_MS, floor, _DEFAULTS_MS, ours / _DEFAULTS_MS
        )
    ]


def _measure_in(running: Product, chromium: str) -> float:
    from playwright.sync_api import sync_playwright

    email = f"bench-{uuid4().hex[:10]}@example.com"
    signed_up = httpx.post(f"{running.url}/auth/v1/signup", json={"email": email, "password": _PASSWORD})
    signed_up.raise_for_status()
    pid = int((socket_folder(running.home) / "ui.pid").read_text())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_context(locale="ko-KR").new_page()
        _sign_in(page, f"http://127.0.0.1:{running.ports['ui']}", email)
        _back_and_forth(page, 6)
        before = _cpu_s(pid)
        _back_and_forth(page, _RERUNS)
        used = _cpu_s(pid) - before
        browser.close()
    return used / _RERUNS * 1000


def _sign_in(page: Page, base: str, email: str) -> None:
    page.goto(base)
    page.locator(_IDLE).wait_for()
    page.get_by_label("이메일").fill(email)
    page.get_by_label("비밀번호", exact=True).fill(_PASSWORD)
    page.get_by_role("button", name="로그인", exact=True).last.click()
    page.get_by_label("비밀번호", exact=True).wait_for(state="detached")
    page.locator(_IDLE).wait_for()


def _back_and_forth(page: Page, times: int) -> None:
    links = page.locator('[data-testid="stPageLink-NavLink"]')
    for number in range(times):
        links.nth(number % 2).click()
        page.wait_for_timeout(60)
        page.locator(_IDLE).wait_for()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
