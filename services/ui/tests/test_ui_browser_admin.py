"""Administration in a real browser: for administrators only, secrets once."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-studio")]


@pytest.fixture
def administrator(stack: Any) -> Any:
    return stack.somebody("관리자")


def _make(page: Page, name: str) -> None:
    form = page.locator(".st-key-card-make-token")
    form.get_by_label("이름").fill(name)
    form.get_by_role("button", name="만들기", exact=True).click()


def test_only_administrators_are_led_there_and_others_are_told(visit: Any, someone: Any, administrator: Any) -> None:
    page = visit(someone).open("/admin")
    expect(page.get_by_text("관리자만 볼 수 있는 곳입니다.")).to_be_visible()
    expect(page.get_by_test_id("stSidebar").get_by_role("link", name="운영")).to_have_count(0)
    page = visit(administrator).open("/")
    page.get_by_test_id("stSidebar").get_by_role("link", name="운영").click()
    expect(page.get_by_role("heading", name="운영")).to_be_visible()
    expect(page.get_by_role("table").first).to_be_visible()


def test_a_token_is_shown_once_with_its_command(visit: Any, administrator: Any) -> None:
    visitor = visit(administrator)
    page = visitor.open("/admin?view=tokens")
    _make(page, "거실 컴퓨터")
    secret = page.locator(".st-key-card-secret code").first
    expect(secret).to_have_text(re.compile(r"^wk_[a-z0-9]{12}_\S{40,}$"))
    token = secret.inner_text()
    expect(page.locator(".st-key-card-secret code").last).to_have_text(
        re.compile(rf"^maru worker run --url \S+ --token {re.escape(token)}$")
    )
    visitor.settle()
    page.get_by_role("radio", name="대기열").click()
    expect(page.locator(".st-key-card-secret")).to_have_count(0)
    visitor.settle()
    page.get_by_role("radio", name="연결 토큰").click()
    expect(page.get_by_role("table")).to_contain_text("거실 컴퓨터")
    visitor.settle()
    assert token.split("_", 2)[2] not in page.content()


def test_a_secret_is_copied_by_one_press(visit: Any, administrator: Any) -> None:
    visitor = visit(administrator)
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.open("/admin?view=tokens")
    _make(page, "거실 컴퓨터")
    page.get_by_role("button", name="복사: 토큰").click()
    expect(page.get_by_text("복사했어요").first).to_be_visible()
    assert (
        page.evaluate("navigator.clipboard.readText()") == page.locator(".st-key-card-secret code").first.inner_text()
    )
    visitor.button("복사했어요").click()
    expect(page.locator(".st-key-card-secret")).to_have_count(0)


def test_a_token_changes_its_secret_and_is_revoked_after_asking(visit: Any, administrator: Any) -> None:
    administrator.http.post("/api/v1/admin/worker-tokens", json={"name": "서재"}).raise_for_status()
    visitor = visit(administrator)
    page = visitor.open("/admin?view=tokens")
    page.get_by_role("button", name="비밀값 바꾸기: 서재").last.click()
    page.get_by_role("dialog").get_by_role("button", name="바꾸기", exact=True).click()
    expect(page.locator(".st-key-card-secret code").first).to_have_text(re.compile("^wk_"))
    page.get_by_role("button", name="폐기: 서재").last.click()
    page.get_by_role("dialog").get_by_role("button", name="폐기하기").click()
    expect(page.get_by_role("table")).to_contain_text("폐기됨")
    rows = administrator.http.get("/api/v1/admin/worker-tokens").json()["worker_tokens"]
    assert [row["revoked_at"] is not None for row in rows if row["name"] == "서재"] == [True]


def test_what_was_given_up_says_why_and_is_tried_again(
    visit: Any, stack: Any, someone: Any, administrator: Any
) -> None:
    stack.control(fail_tasks=1)
    job = someone.job(someone.photos(1))
    someone.job_ends(job, "failed")
    stack.control(fail_tasks=0)
    page = visit(administrator).open("/admin?view=letters")
    expect(page.get_by_role("table")).to_contain_text("input_unreadable")
    again = page.get_by_role("button", name=re.compile("^다시 시도: image"))
    for left in reversed(range(again.count())):
        again.first.click()
        expect(again).to_have_count(left)
    expect(page.get_by_text("포기한 일이 없습니다.")).to_be_visible()
    someone.job_ends(job)


def test_workers_queues_and_hosts_are_listed_or_their_absence_is(
    visit: Any, stack: Any, someone: Any, administrator: Any
) -> None:
    stack.control(workers=2)
    visitor = visit(administrator)
    page = visitor.open("/admin?view=workers")
    expect(page.get_by_role("table")).to_contain_text("box-2")
    stack.control(workers=0)
    job = someone.job(someone.photos(3))
    page = visitor.open("/admin?view=queues")
    expect(page.get_by_role("table")).to_contain_text("image")
    page = visitor.open("/admin?view=hosts")
    expect(page.get_by_text("빌린 컴퓨터가 없습니다.")).to_be_visible()
    someone.http.post(f"/api/v1/jobs/{job}/cancel").raise_for_status()
