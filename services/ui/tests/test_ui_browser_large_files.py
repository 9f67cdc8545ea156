"""Large files in a real browser: they go in parts, and only what did not come is sent again."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from shared.testing.waiting import eventually_sync

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-files")]

PART = 100_000
SIZE = 5 * PART + 7


@pytest.fixture(autouse=True)
def _parts(stack: Any) -> Generator[None]:
    """Files of more than one part are large, for these tests alone."""
    usual = {"part_size": 0, "parts_at_once": 100, "fail_parts": 0, "refuse_parts": 0}
    stack.control(**usual | {"part_size": PART})
    yield
    stack.control(**usual)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A document of six parts, no two of them the same."""
    path = tmp_path / "long.txt"
    path.write_bytes(b"".join(bytes([65 + n]) * PART for n in range(6))[:SIZE])
    return path


def _pick(visitor: Any, path: Path) -> Page:
    page: Page = visitor.open("/journal")
    kind, picker = page.get_by_role("radio", name="문서").first, page.get_by_label("문서 고르기")

    def shown() -> bool:
        kind.click()
        visitor.settle()
        return picker.count() > 0

    eventually_sync(shown, within=30)
    page.locator('.maru-upload:visible input[type="file"]').set_input_files(path)
    return page


def _keep(visitor: Any, stack: Any, page: Page, who: Any, path: Path) -> None:
    """The file becomes part of an entry, byte for byte, and no part of it came twice."""
    expect(page.get_by_text("준비됨")).to_have_count(1, timeout=30_000)
    visitor.button("남기기").click()
    eventually_sync(lambda: len(who.http.get("/api/v1/entries").json()["entries"]) == 1, within=30)
    [entry] = who.http.get("/api/v1/entries").json()["entries"]
    [file] = entry["attachments"]
    assert (file["filename"], file["size"]) == ("long.txt", SIZE)
    answer: httpx.Response = who.http.get(file["content_url"], follow_redirects=True)
    assert answer.content == path.read_bytes()
    came = [
        call for call in stack.calls(f"/files/{file['upload_id']}/") if (call["method"], call["status"]) == ("PUT", 200)
    ]
    assert sorted(int(call["path"].rpartition("/")[2]) for call in came) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("at_once", [100, 2])
def test_a_large_file_goes_in_parts(visit: Any, stack: Any, someone: Any, recording: Path, at_once: int) -> None:
    stack.control(parts_at_once=at_once)
    visitor = visit(someone)
    page = _pick(visitor, recording)
    _keep(visitor, stack, page, someone, recording)


@pytest.mark.parametrize("knobs", [{"fail_parts": 3}, {"refuse_parts": 6}], ids=["failing", "expired"])
def test_parts_that_did_not_come_are_sent_again(
    visit: Any, stack: Any, someone: Any, recording: Path, knobs: dict[str, int]
) -> None:
    stack.control(**knobs)
    visitor = visit(someone)
    page = _pick(visitor, recording)
    _keep(visitor, stack, page, someone, recording)


def test_a_broken_upload_goes_on_when_asked(visit: Any, stack: Any, someone: Any, recording: Path) -> None:
    stack.control(fail_parts=10**6)
    visitor = visit(someone)
    page = _pick(visitor, recording)
    again = page.get_by_role("button", name="다시 올리기: long.txt")
    expect(again).to_be_visible(timeout=30_000)
    stack.control(fail_parts=0)
    again.click()
    _keep(visitor, stack, page, someone, recording)
