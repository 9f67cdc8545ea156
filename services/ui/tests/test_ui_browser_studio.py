"""Choosing photos, saying what to do with them, and running it, in a real browser."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from shared.testing.waiting import eventually_sync

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-studio")]


def _jobs(who: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = who.http.get("/api/v1/jobs").json()["jobs"]
    return rows


def _run_on(page: Page, count: int) -> None:
    page.get_by_role("button", name=f"사진 {count}장에 실행").click()
    expect(page.locator(".maru-job-head")).to_be_visible()


def test_an_empty_studio_leads_to_the_first_job(visit: Any, someone: Any) -> None:
    visitor = visit(someone)
    page = visitor.open("/studio")
    expect(page.get_by_text("많은 사진을 한 번에 처리합니다.")).to_be_visible()
    visitor.button("새 작업").click()
    expect(page.get_by_text("아직 저장된 사진이 없습니다.")).to_be_visible()
    visitor.button("실행").click()
    expect(page.get_by_text("먼저 사진을 한 장 이상 골라 주세요.")).to_be_visible()
    assert _jobs(someone) == []


def test_chosen_photos_run_and_their_results_arrive(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(task_delay=0.4)
    for number in range(6):
        someone.photo(f"여름 {number}.png", (40 * number, 90, 120))
    visitor = visit(someone)
    page = visitor.open("/studio?new=1")
    photos = page.get_by_role("option")
    expect(photos).to_have_count(6)
    photos.nth(1).click()
    photos.nth(4).click(modifiers=["Shift"])
    photos.nth(3).click()
    expect(page.locator(".maru-pick-count")).to_have_text("3장 골랐어요")
    page.get_by_role("radio", name="흑백으로").click()
    expect(page.get_by_text("약 4초 걸립니다. 비용은 약 $0.0004입니다.")).to_be_visible()
    _run_on(page, 3)
    expect(page.locator('.maru-tile[data-status="processing"]')).to_have_count(1)
    expect(page.locator('.maru-tile[data-status="done"]')).to_have_count(3)
    expect(page.locator(".maru-job-head")).to_contain_text("3장 가운데 3장")
    shown = page.locator(".maru-tile img").first
    eventually_sync(lambda: shown.evaluate("(image) => image.complete && image.naturalWidth > 0"))
    expect(page.locator("#maru-live")).to_contain_text("작업이 끝났습니다: 완료.")
    (job,) = _jobs(someone)
    assert job["params"]["operation"] == "grayscale"
    assert job["name"].startswith("흑백으로")


def test_a_photo_sent_here_is_chosen_as_soon_as_it_is_there(visit: Any, someone: Any, tmp_path: Path) -> None:
    someone.photo("옛것.png")
    file = tmp_path / "새것.png"
    file.write_bytes(someone.picture((200, 40, 40)))
    visitor = visit(someone)
    page = visitor.open("/studio?new=1")
    page.locator('.maru-upload input[type="file"]').set_input_files(file)
    expect(page.get_by_role("option", name="새것.png")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("option", name="옛것.png")).to_have_attribute("aria-selected", "false")
    _run_on(page, 1)
    eventually_sync(lambda: len(_jobs(someone)) == 1)
    assert _jobs(someone)[0]["total"] == 1


def test_more_than_an_entry_takes_are_sent_at_once_and_none_of_them_to_the_journal(
    visit: Any, someone: Any, tmp_path: Path
) -> None:
    files = [tmp_path / f"새것 {number}.png" for number in range(24)]
    for file in files:
        file.write_bytes(someone.picture((200, 40, 40)))
    visitor = visit(someone)
    page = visitor.open("/studio?new=1")
    page.locator('.maru-upload input[type="file"]').set_input_files(files)
    expect(page.locator(".maru-pick-count")).to_have_text("24장 골랐어요")
    page.get_by_role("link", name="기록", exact=True).first.click()
    expect(page.get_by_role("heading", name="기록", exact=True)).to_be_visible()
    page.get_by_role("radio", name="사진", exact=True).first.click()
    expect(page.get_by_label("사진 고르기")).to_be_attached()
    expect(page.locator(".maru-file")).to_have_count(0)


def test_a_job_run_again_in_another_way_is_named_for_that_unless_somebody_named_it(visit: Any, someone: Any) -> None:
    someone.photo("여름.png")
    visitor = visit(someone)
    page = visitor.open("/studio?new=1")
    page.get_by_role("option").click()
    page.get_by_role("radio", name="흑백으로").click()
    visitor.settle()
    _run_on(page, 1)
    visitor.button("같은 설정으로 다시 실행").click()
    page.get_by_role("radio", name="되살리기").click()
    visitor.settle()
    _run_on(page, 1)
    eventually_sync(lambda: len(_jobs(someone)) == 2)
    assert sorted(job["name"].split(" · ")[0] for job in _jobs(someone)) == ["되살리기", "흑백으로"]
    given = someone.job([someone.photo("가을.png")], name="할머니 사진")
    someone.job_ends(given)
    visitor.open(f"/studio?new=1&like={given}")
    page.get_by_role("radio", name="되살리기").click()
    visitor.settle()
    _run_on(page, 1)
    eventually_sync(lambda: [job["name"] for job in _jobs(someone)].count("할머니 사진") == 2)


def test_all_that_match_are_taken_by_the_gateway_not_page_by_page(visit: Any, stack: Any, someone: Any) -> None:
    someone.photos(50, "여름")
    someone.photos(2, "겨울")
    visitor = visit(someone)
    page = visitor.open("/studio?new=1")
    page.get_by_label("파일 이름의 일부").fill("여름")
    page.keyboard.press("Enter")
    everything = page.get_by_role("button", name="조건에 맞는 사진 모두 고르기 (50)")
    everything.click()
    expect(page.locator(".maru-pick-count")).to_have_text("50장 골랐어요")
    visitor.settle()
    _run_on(page, 50)
    assert _jobs(someone)[0]["total"] == 50
    assert not [call for call in stack.calls("/api/v1/uploads") if "page_size=500" in call["query"]]


def test_one_taken_out_of_all_that_match_stays_out(visit: Any, someone: Any) -> None:
    someone.photos(50, "여름")
    visitor = visit(someone)
    page = visitor.open("/studio?new=1")
    page.get_by_role("button", name="조건에 맞는 사진 모두 고르기 (50)").click()
    page.get_by_role("option", name="여름 49.png").click()
    expect(page.locator(".maru-pick-count")).to_have_text("49장 골랐어요")
    page.get_by_role("button", name="다음 쪽").click()
    expect(page.get_by_role("option")).to_have_count(2)
    _run_on(page, 49)
    names = {
        row["input_name"] for row in someone.http.get(f"/api/v1/jobs/{_jobs(someone)[0]['id']}/tasks").json()["tasks"]
    }
    assert "여름 49.png" not in names


def test_a_choice_outlives_pages_and_filters(visit: Any, someone: Any) -> None:
    someone.photos(2, "산")
    someone.photos(48, "바다")
    visitor = visit(someone)
    page = visitor.open("/studio?new=1")
    page.get_by_role("option", name="바다 47.png").click()
    page.get_by_role("button", name="다음 쪽").click()
    page.get_by_role("option", name="산 0.png").click()
    visitor.settle()
    page.get_by_label("파일 이름의 일부").fill("바다 4")
    page.keyboard.press("Enter")
    expect(page.get_by_role("option", name="바다 47.png")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".maru-pick-count")).to_have_text("2장 골랐어요")
    _run_on(page, 2)
    assert _jobs(someone)[0]["total"] == 2


def test_only_settings_that_matter_are_asked_for(visit: Any, someone: Any) -> None:
    someone.photo()
    visitor = visit(someone)
    page = visitor.open("/studio?new=1")
    expect(page.get_by_text("몇 배로 키울까요")).to_be_visible()
    page.get_by_role("radio", name="크기 바꾸기").click()
    expect(page.get_by_text("몇 배로 키울까요")).to_be_hidden()
    expect(page.get_by_label("너비 (픽셀)")).to_be_visible()
    expect(page.get_by_text("비율이 다를 때")).to_be_visible()
    page.get_by_role("option").click()
    page.get_by_role("button", name="사진 1장에 실행").click()
    expect(page.get_by_text("채우거나 고쳐 주세요: 너비 (픽셀), 높이 (픽셀) (하나 이상)")).to_be_visible()
    page.get_by_label("너비 (픽셀)").fill("320")
    page.get_by_label("너비 (픽셀)").press("Enter")
    visitor.settle()
    page.get_by_role("button", name="사진 1장에 실행").click()
    eventually_sync(lambda: len(_jobs(someone)) == 1)
    params = _jobs(someone)[0]["params"]
    assert (params["operation"], params["width"], params["height"]) == ("resize", 320, None)


def test_a_runner_is_asked_for_what_it_cannot_do_without(visit: Any, someone: Any) -> None:
    someone.photo()
    visitor = visit(someone)
    page = visitor.open("/studio?new=1")
    page.get_by_role("option").click()
    page.get_by_role("radio", name="생성 모델").click()
    expect(page.get_by_text("얼마나 걸릴지 아직 모릅니다.")).to_be_hidden()
    page.get_by_role("button", name="사진 1장에 실행").click()
    expect(page.get_by_text("채우거나 고쳐 주세요: 모델")).to_be_visible()
    assert _jobs(someone) == []


def test_a_job_runs_again_with_the_same_settings_and_photos(visit: Any, someone: Any) -> None:
    first = someone.job(
        [someone.photo("하나.png"), someone.photo("둘.png")], params={"operation": "upscale", "scale": 4}
    )
    someone.photo("셋.png")
    someone.job_ends(first)
    visitor = visit(someone)
    page = visitor.open(f"/studio?job={first}")
    visitor.button("같은 설정으로 다시 실행").click()
    expect(page.get_by_role("radio", name="키우기")).to_be_checked()
    expect(page.get_by_role("option", name="셋.png")).to_have_attribute("aria-selected", "false")
    _run_on(page, 2)
    newest = _jobs(someone)[0]
    assert (newest["params"]["scale"], newest["total"]) == (4, 2)


def test_a_second_press_submits_nothing_twice(visit: Any, stack: Any, someone: Any) -> None:
    someone.photo()
    visitor = visit(someone)
    page = visitor.open("/studio?new=1")
    page.get_by_role("option").click()
    visitor.settle()
    page.get_by_role("button", name="사진 1장에 실행").dblclick()
    expect(page.locator(".maru-job-head")).to_be_visible()
    assert len(_jobs(someone)) == 1


def test_photos_are_narrowed_by_the_days_they_came(visit: Any, someone: Any) -> None:
    someone.photo("오늘 온 것.png")
    visitor = visit(someone)
    page = visitor.open("/studio?new=1")
    expect(page.get_by_role("option")).to_have_count(1)
    page.get_by_role("group", name="이날까지 올린 것").get_by_role("spinbutton").first.click()
    page.keyboard.type("20200131")
    page.get_by_role("heading", name="새 작업").click()
    expect(page.get_by_role("option")).to_have_count(0)
