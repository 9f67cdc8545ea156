"""Watching a job, steering it, and taking its results, in a real browser."""

import io
import re
import zipfile
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-studio")]


def _sum(page: Page) -> Any:
    return page.locator(".maru-job-sum")


def _tab(page: Page, status: str) -> Any:
    return page.locator(f'.maru-tab[data-show="{status}"]')


def _tiles(page: Page, status: str) -> Any:
    return page.locator(f'.maru-tile[data-status="{status}"]')


def test_a_cut_line_and_a_reload_in_the_middle_lose_nothing(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(workers=0, task_delay=0.5)
    job = someone.job(someone.photos(12))
    visitor = visit(someone)
    page = visitor.open(f"/studio?job={job}")
    expect(_tiles(page, "queued")).to_have_count(12)
    stack.control(workers=1)
    expect(_tiles(page, "done")).not_to_have_count(0)
    stack.line.cut()
    seen = _tiles(page, "done").count()
    expect(_tiles(page, "done")).not_to_have_count(seen)
    page.reload()
    expect(_sum(page)).to_have_text("12장 가운데 12장")
    expect(_tiles(page, "done")).to_have_count(12)
    expect(page.locator('.maru-job-head [data-status="done"]')).to_be_visible()


def test_a_gateway_that_cuts_every_stream_is_asked_for_the_rest(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(workers=0, task_delay=0.15, cut_after=3)
    job = someone.job(someone.photos(8))
    page = visit(someone).open(f"/studio?job={job}")
    expect(_tiles(page, "queued")).to_have_count(8)
    stack.control(workers=1)
    expect(_tiles(page, "done")).to_have_count(8)
    expect(_sum(page)).to_have_text("8장 가운데 8장")


def test_leaving_and_coming_back_shows_the_present_state(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(workers=0)
    job = someone.job(someone.photos(6), name="여름 사진")
    visitor = visit(someone)
    page = visitor.open(f"/studio?job={job}")
    expect(_tiles(page, "queued")).to_have_count(6)
    page.get_by_test_id("stMain").get_by_role("link", name="작업실").click()
    expect(page.locator(".maru-job-card")).to_contain_text("기다림")
    stack.control(workers=1)
    card = page.locator(".maru-job-card")
    expect(card).to_contain_text("여름 사진")
    expect(card.locator('[data-status="done"]')).to_be_visible()
    card.click()
    expect(_sum(page)).to_have_text("6장 가운데 6장")


def test_a_job_is_paused_resumed_and_cancelled_after_asking(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(task_delay=1.0)
    job = someone.job(someone.photos(120))
    visitor = visit(someone)
    page = visitor.open(f"/studio?job={job}")
    visitor.button("멈추기").click()
    expect(page.locator('.maru-job-head [data-status="paused"]')).to_be_visible()
    visitor.button("이어 하기").click()
    expect(page.locator('.maru-job-head [data-status="running"]')).to_be_visible()
    visitor.button("작업 취소").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("이 작업을 취소할까요?")
    dialog.get_by_role("button", name="작업 취소하기").click()
    expect(page.locator('.maru-job-head [data-status="cancelled"]')).to_be_visible()
    row = someone.job_ends(job, "cancelled")
    assert row["counts"]["queued"] == 0
    assert sum(row["counts"].values()) == 120


def test_failed_tasks_say_why_and_can_be_tried_again(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(fail_tasks=2)
    job = someone.job(someone.photos(4))
    someone.job_ends(job, "failed")
    visitor = visit(someone)
    page = visitor.open(f"/studio?job={job}")
    _tab(page, "failed").click()
    expect(_tiles(page, "failed")).to_have_count(2)
    expect(page.locator(".maru-tile")).to_have_count(2)
    _tiles(page, "failed").first.click()
    told = page.locator(".maru-viewer[open]")
    expect(told).to_contain_text("읽을 수 있는 사진이 아닙니다.")
    expect(told.locator("pre")).to_contain_text("UnidentifiedImageError")
    stack.control(fail_tasks=0)
    told.get_by_role("button", name="이것만 다시 하기").click()
    expect(page.get_by_role("button", name="실패한 것 다시 하기 (1)")).to_be_visible()
    visitor.button("실패한 것 다시 하기 (1)").click()
    _tab(page, "").click()
    expect(_tiles(page, "done")).to_have_count(4)
    someone.job_ends(job)


def test_a_failure_that_is_watched_says_why_when_the_job_has_ended(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(workers=0, task_delay=0.15, fail_tasks=2)
    job = someone.job(someone.photos(3))
    page = visit(someone).open(f"/studio?job={job}")
    expect(_tiles(page, "queued")).to_have_count(3)
    stack.control(workers=1)
    expect(page.locator('.maru-job-head [data-status="failed"]')).to_be_visible()
    expect(page.get_by_role("button", name="같은 설정으로 다시 실행")).to_be_visible()
    _tiles(page, "failed").first.click()
    expect(page.locator(".maru-viewer[open]")).to_contain_text("읽을 수 있는 사진이 아닙니다.")


def test_before_and_after_are_compared_by_keyboard_and_by_pointer(visit: Any, someone: Any) -> None:
    job = someone.job([someone.photo("하나.png", (200, 30, 30)), someone.photo("둘.png", (30, 30, 200))])
    someone.job_ends(job)
    page = visit(someone).open(f"/studio?job={job}")
    tile = page.locator(".maru-tile").first
    tile.focus()
    page.keyboard.press("Enter")
    slider = page.get_by_role("slider", name="이전과 이후 견주기")
    expect(slider).to_be_focused()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(slider).to_have_value("60")
    assert page.locator(".maru-compare").evaluate("(figure) => figure.style.getPropertyValue('--maru-at')") == "60%"
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    assert 20 <= int(slider.input_value()) <= 30
    page.get_by_role("button", name="다음 사진").click()
    expect(page.locator(".maru-viewer h3")).to_have_text("둘.png")
    page.keyboard.press("Escape")
    expect(page.locator(".maru-viewer[open]")).to_have_count(0)
    expect(page.locator(".maru-tile").nth(1)).to_be_focused()


def test_one_result_opens_and_all_come_as_a_zip(visit: Any, someone: Any) -> None:
    job = someone.job(someone.photos(3))
    someone.job_ends(job)
    visitor = visit(someone)
    page = visitor.open(f"/studio?job={job}")
    page.locator(".maru-tile").first.click()
    single = page.locator(".maru-viewer").get_by_role("link", name="결과 열기").get_attribute("href")
    answer = page.request.get(visitor.base + str(single))
    assert answer.headers["content-type"] == "image/png"
    page.keyboard.press("Escape")
    visitor.button("모두 (3) zip으로 받기").click()
    link = page.get_by_role("link", name="zip 저장하기")
    expect(link).to_be_visible()
    archive = zipfile.ZipFile(io.BytesIO(httpx.get(str(link.get_attribute("href"))).content))
    assert archive.testzip() is None
    assert len(archive.namelist()) == 3


def test_results_are_kept_in_the_journal_afterwards(visit: Any, someone: Any) -> None:
    job = someone.job(someone.photos(3))
    visitor = visit(someone)
    page = visitor.open(f"/studio?job={job}")
    expect(_tiles(page, "done")).to_have_count(3)
    visitor.button("결과 3개를 기록에 남기기").click()
    expect(page.get_by_text("결과 3개 가운데 3개를 기록에 남겼습니다.")).to_be_visible()
    expect(page.get_by_role("button", name="기록에 남기기")).to_have_count(0)


def test_a_job_that_has_ended_is_deleted_after_asking(visit: Any, someone: Any) -> None:
    job = someone.job(someone.photos(1), name="여름 사진")
    someone.job_ends(job)
    visitor = visit(someone)
    page = visitor.open(f"/studio?job={job}")
    visitor.button("작업 지우기").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("처리한 사진은 남습니다.")
    dialog.get_by_role("button", name="지우기", exact=True).click()
    expect(page.locator("#maru-live")).to_contain_text("작업과 결과를 지웠습니다.")
    assert someone.http.get(f"/api/v1/jobs/{job}").status_code == 404


def test_a_worker_for_programs_is_started_with_their_file(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(workers=0)
    job = someone.job(someone.photos(1), runner="command", params={"command": "thumbnail"})
    page = visit(someone).open(f"/studio?job={job}")
    expect(page.locator(".maru-copy code").last).to_have_text(re.compile(r"--token wk_… --commands commands\.toml$"))


def test_workers_without_the_program_that_a_job_needs_are_said_to_lack_it(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(programs=["resize"])
    job = someone.job(someone.photos(1), runner="command", params={"command": "thumbnail"})
    page = visit(someone).open(f"/studio?job={job}")
    expect(page.locator(".st-key-card-no-worker")).to_contain_text(
        "갖춘 작업 컴퓨터가 연결되어 있지 않습니다: thumbnail"
    )
    stack.control(programs=["resize", "thumbnail"])
    expect(_tiles(page, "done")).to_have_count(1)
    expect(page.locator(".st-key-card-no-worker")).to_have_count(0)


def test_no_worker_is_said_with_the_commands_until_there_is_one(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(workers=0)
    job = someone.job(someone.photos(2))
    page = visit(someone).open(f"/studio?job={job}")
    expect(page.get_by_text("연결된 작업 컴퓨터가 없어 아무것도 처리되지 않고 있습니다.")).to_be_visible()
    expect(page.locator(".maru-copy code").first).to_have_text("maru worker token create --name my-worker")
    expect(page.locator(".maru-copy code").last).to_have_text(
        re.compile(r"^maru worker run --url http\S+ --token wk_…$")
    )
    stack.control(workers=1)
    expect(_tiles(page, "done")).to_have_count(2)
    expect(page.get_by_text("연결된 작업 컴퓨터가 없어")).to_have_count(0)


def test_another_persons_job_yields_nothing(visit: Any, stack: Any, someone: Any) -> None:
    owner = stack.somebody("주인")
    job = owner.job(owner.photos(1), name="남의 작업")
    task = owner.http.get(f"/api/v1/jobs/{job}/tasks").json()["tasks"][0]["id"]
    visitor = visit(someone)
    for asked in (job, str(uuid4()), "nonsense"):
        page = visitor.open(f"/studio?job={asked}")
        expect(page.get_by_text("이 작업을 찾을 수 없습니다.")).to_be_visible()
        assert "남의 작업" not in page.content()
    for path in (
        f"/live/api/v1/jobs/{job}/events",
        f"/file/api/v1/tasks/{task}/output",
        f"/file/api/v1/tasks/{task}/input",
    ):
        assert visitor.page.request.get(visitor.base + path, max_redirects=0).status == 404


def test_ten_thousand_tasks_are_shown_by_the_page(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(workers=0)
    (photo,) = someone.photos(1)
    job = someone.job([photo] * 10_000)
    page = visit(someone).open(f"/studio?job={job}")
    expect(_sum(page)).to_have_text("10,000장 가운데 0장")
    expect(page.locator(".maru-tile")).to_have_count(60)
    assert page.evaluate("document.querySelectorAll('*').length") < 3000
    page.get_by_role("button", name="다음 쪽").click()
    expect(page.locator(".maru-pages")).to_contain_text("61–120번째")
    expect(page.locator(".maru-tile")).to_have_count(60)
    page.get_by_role("button", name="이전 쪽").click()
    expect(page.locator(".maru-pages")).to_contain_text("1–60번째")
    someone.http.post(f"/api/v1/jobs/{job}/cancel").raise_for_status()


def test_what_was_shown_stays_while_the_gateway_is_away(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(task_delay=1.0)
    job = someone.job(someone.photos(8))
    page = visit(someone).open(f"/studio?job={job}")
    expect(_tiles(page, "done")).not_to_have_count(0)
    stack.control(down=True)
    _tab(page, "done").click()
    expect(page.get_by_text("저장된 것은 그대로 있습니다").first).to_be_visible()
    expect(_tiles(page, "done")).not_to_have_count(0)
    stack.control(down=False, task_delay=0.0)
    page.get_by_role("button", name="다시 시도").first.click()
    expect(_sum(page)).to_have_text("8장 가운데 8장")


def test_the_list_goes_on_by_itself_while_a_job_runs(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(workers=0)
    someone.job(someone.photos(6), name="여름 사진")
    page = visit(someone).open("/studio")
    expect(page.locator(".maru-job-card")).to_contain_text("0 / 6")
    stack.control(workers=1)
    expect(page.locator(".maru-job-card")).to_contain_text("6 / 6")


def test_the_app_ends_at_once_while_somebody_watches_and_the_page_goes_on_afterwards(
    visit: Any, stack: Any, someone: Any
) -> None:
    stack.control(workers=0)
    job = someone.job(someone.photos(3))
    page = visit(someone).open(f"/studio?job={job}")
    expect(_tiles(page, "queued")).to_have_count(3)
    stack.app.stop()
    stack.app.start()
    stack.control(workers=1)
    expect(_tiles(page, "done")).to_have_count(3, timeout=60_000)
