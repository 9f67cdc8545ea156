"""Studio through the whole product: photos in, nobody there to work, a worker started as the page says, results out."""

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from shared.testing.waiting import eventually_sync

pytestmark = [pytest.mark.browser, pytest.mark.serial, pytest.mark.xdist_group("product")]

_LONG = 90_000


@pytest.fixture
def worker(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Callable[[str], None]]:
    """Starts a worker by the command that the page shows; an installation that runs elsewhere has its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start(command: str) -> None:
        if "MARU_E2E_UI_URL" in os.environ:
            return
        product: Any = request.getfixturevalue("product")
        token = product.command("worker", "token", "create", "--name", "e2e").stdout.strip()
        program, *arguments = command.replace("wk_…", token).split()
        assert program == "maru"
        with (tmp_path / "worker.log").open("wb") as log:
            argv = [
                sys.executable,
                "-m",
                "maru",
                *arguments,
                "--name",
                "studio-e2e",
                "--work-dir",
                str(tmp_path / "work"),
            ]
            started.append(subprocess.Popen(argv, env=product.variables, stdout=log, stderr=log))

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


def _photos(folder: Path, count: int) -> list[Path]:
    """Pictures of a gradient, and one file that begins as a picture and is none."""
    made = []
    for number in range(count):
        path = folder / f"여름 {number}.jpg"
        Image.linear_gradient("L").rotate(40 * number).resize((480, 320)).convert("RGB").save(path, "JPEG")
        made.append(path)
    broken = folder / "찢어진 사진.jpg"
    broken.write_bytes(made[0].read_bytes()[:900])
    return [*made, broken]


def _run(page: Page, visitor: Any, files: list[Path]) -> None:
    page.locator('.maru-upload input[type="file"]').set_input_files(files)
    count = len(files)
    expect(page.locator(".maru-pick-count")).to_have_text(f"{count}장 골랐어요", timeout=_LONG)
    page.get_by_role("radio", name="흑백으로").click()
    visitor.settle(90)
    page.get_by_role("button", name=f"사진 {count}장에 실행").click()
    expect(page.locator(".maru-job-sum")).to_have_text(f"{count}장 가운데 0장", timeout=_LONG)


def _loads(image: Any) -> None:
    eventually_sync(lambda: image.evaluate("(i) => i.complete && i.naturalWidth > 0"), within=30)


def _is_grey(content: bytes) -> bool:
    red, green, blue = Image.open(io.BytesIO(content)).convert("RGB").resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
    return max(red, green, blue) - min(red, green, blue) <= 2


@pytest.mark.timeout(420)
def test_photos_go_through_a_worker_and_come_back_as_results(
    visit: Any, new_account: Any, worker: Callable[[str], None], tmp_path: Path
) -> None:
    who = new_account()
    visitor = visit(who)
    page = visitor.open("/studio")
    visitor.button("새 작업").click()
    expect(page.get_by_text("아직 저장된 사진이 없습니다.")).to_be_visible(timeout=_LONG)
    _run(page, visitor, _photos(tmp_path, 4))
    command = page.locator(".maru-copy code").last
    if command.count():
        worker(command.inner_text())
    done = page.locator('.maru-tile[data-status="done"]')
    expect(done).to_have_count(4, timeout=_LONG)
    expect(page.locator('.maru-tile[data-status="failed"]')).to_have_count(1, timeout=_LONG)
    expect(page.locator('.maru-job-head [data-status="failed"]')).to_be_visible(timeout=_LONG)
    _loads(done.first.locator("img").last)
    done.first.click()
    expect(page.get_by_role("slider", name="이전과 이후 견주기")).to_be_focused()
    for image in page.locator(".maru-compare img").all():
        _loads(image)
    page.keyboard.press("Escape")
    _retried(page, who)
    _downloaded(page)
    page.reload()
    expect(page.locator(".maru-job-sum")).to_have_text("5장 가운데 5장", timeout=_LONG)
    assert visitor.violations() == []


def _retried(page: Page, who: Any) -> None:
    """What cannot be read fails again, with its cause, and only it was tried."""
    (job,) = who.http.get("/api/v1/jobs").json()["jobs"]
    path = f"/api/v1/jobs/{job['id']}/tasks"
    before = {row["id"]: row["attempt"] for row in who.http.get(path).json()["tasks"]}
    page.get_by_role("button", name="실패한 것 다시 하기 (1)").click()

    def tried_again() -> bool:
        rows = who.http.get(path).json()["tasks"]
        raised = [row["status"] for row in rows if row["attempt"] > before[row["id"]]]
        return raised == ["failed"]

    eventually_sync(tried_again, within=90, every=0.3)
    failed = page.locator('.maru-tile[data-status="failed"]')
    expect(failed).to_have_count(1, timeout=_LONG)
    failed.click()
    expect(page.locator(".maru-viewer[open] .maru-trouble")).to_contain_text(
        "읽을 수 있는 사진이 아닙니다.", timeout=_LONG
    )
    page.keyboard.press("Escape")


def _downloaded(page: Page) -> None:
    page.get_by_role("button", name="모두 (4) zip으로 받기").click()
    link = page.get_by_role("link", name="zip 저장하기")
    expect(link).to_be_visible(timeout=_LONG)
    archive = zipfile.ZipFile(io.BytesIO(httpx.get(str(link.get_attribute("href")), timeout=60).content))
    assert archive.testzip() is None
    names = archive.namelist()
    assert len(names) == 4
    assert all(_is_grey(archive.read(name)) for name in names)


def test_another_persons_job_yields_nothing(visit: Any, new_account: Any) -> None:
    owner, other = new_account("주인"), new_account("손님")
    job = owner.http.post("/api/v1/jobs", json={"name": "아무도 모르는 작업", "runner": "image"}).json()["id"]
    visitor = visit(other)
    page = visitor.open(f"/studio?job={job}")
    expect(page.get_by_text("이 작업을 찾을 수 없습니다.")).to_be_visible(timeout=_LONG)
    assert "아무도 모르는" not in page.content()
    assert page.request.get(f"{visitor.base}/live/api/v1/jobs/{job}/events").status == 404
