"""Signing in, staying and leaving, in a real browser."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-asking")]


def _sign_in(visitor: Any, who: Any) -> None:
    visitor.page.get_by_label("이메일").fill(who.email)
    visitor.page.get_by_label("비밀번호", exact=True).fill(who.password)
    visitor.page.get_by_label("비밀번호", exact=True).press("Enter")


def test_signing_up_leads_to_the_first_steps(visit: Any) -> None:
    visitor = visit()
    page = visitor.open("/")
    visitor.button("처음이신가요? 계정 만들기").click()
    page.get_by_label("이름").fill("하린")
    page.get_by_label("이메일").fill("harin-first@example.com")
    page.get_by_label("비밀번호", exact=True).fill("correct horse")
    visitor.button("계정 만들기").click()
    expect(page.get_by_role("heading", name="하린 님, 안녕하세요")).to_be_visible()
    expect(visitor.button("첫 기록 남기기")).to_be_visible()


def test_a_signed_out_deep_link_returns_there_and_the_session_survives_reload_and_a_new_tab(
    visit: Any, someone: Any
) -> None:
    entry = someone.write("마루에 볕이 길게 들었다.", title="볕")
    visitor = visit()
    page = visitor.open(f"/entry?id={entry['id']}")
    _sign_in(visitor, someone)
    expect(page.get_by_role("heading", name="볕", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="볕", exact=True)).to_be_visible()
    other = visitor.tab()
    other.open("/journal")
    expect(other.page.get_by_role("heading", name="기록", exact=True)).to_be_visible()
    assert "maru" not in page.evaluate("document.cookie")
    cookie = visitor.cookie("maru_session")
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"


def test_signing_out_ends_the_session_here_in_other_tabs_and_at_the_gateway(visit: Any, someone: Any) -> None:
    visitor = visit(someone)
    page = visitor.open("/journal")
    other = visitor.tab()
    # Its listener arrives with a script of its own.
    other.open("/settings").wait_for_load_state("networkidle")
    page.get_by_test_id("stSidebar").get_by_role("button", name="로그아웃").click()
    expect(page.get_by_label("비밀번호", exact=True)).to_be_visible()
    expect(other.page.get_by_label("비밀번호", exact=True)).to_be_visible()
    assert visitor.cookie("maru_session") is None
    answer = someone.http.post("/api/v1/ui/sessions/token", json={"session": someone.handle})
    assert answer.json()["code"] == "session_ended"


def test_signing_out_everywhere_ends_other_browsers_too(visit: Any, stack: Any, someone: Any) -> None:
    visitor = visit(someone)
    page = visitor.open("/settings")
    expect(page.get_by_text("지금 여기")).to_be_visible()
    visitor.button("모든 곳에서 로그아웃").click()
    page.get_by_role("dialog").get_by_role("button", name="모두 로그아웃").click()
    expect(page.get_by_label("비밀번호", exact=True)).to_be_visible()
    assert any(call["path"].endswith("/revoke-all") and call["status"] == 204 for call in stack.calls("/api/v1/ui"))


@pytest.mark.parametrize(
    ("password", "sentence"),
    [("wrong password", "이메일이나 비밀번호가 맞지 않습니다."), ("too-often", "시도가 너무 많습니다.")],
)
def test_a_refused_sign_in_says_why_and_keeps_the_email(visit: Any, someone: Any, password: str, sentence: str) -> None:
    visitor = visit()
    page = visitor.open("/")
    someone.password = password
    _sign_in(visitor, someone)
    expect(page.get_by_text(re.compile(sentence))).to_be_visible()
    expect(page.get_by_label("이메일")).to_have_value(someone.email)


def test_choosing_a_language_changes_every_word_and_lasts(visit: Any, someone: Any) -> None:
    visitor = visit(someone)
    page = visitor.open("/settings")
    assert page.evaluate("document.documentElement.lang") == "ko"
    page.get_by_role("radio", name="English").click()
    expect(page.get_by_role("heading", name="Settings", exact=True)).to_be_visible()
    visitor.open("/journal")
    expect(page.get_by_role("heading", name="Journal", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"


def test_an_account_goes_only_with_its_password_and_when_asked_twice(visit: Any, stack: Any, someone: Any) -> None:
    visitor = visit(someone)
    page = visitor.open("/settings")
    page.get_by_text("계정 지우기", exact=True).click()
    ask = page.get_by_role("button", name="계정 지우기…")
    ask.click()
    expect(page.get_by_text("먼저 비밀번호를 입력해")).to_be_visible()
    page.get_by_label("내 비밀번호").fill("not the password")
    ask.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="완전히 지우기").click()
    expect(dialog.get_by_text("이메일이나 비밀번호가 맞지 않습니다.")).to_be_visible()
    dialog.get_by_role("button", name="그대로 두기").click()
    expect(dialog).to_be_hidden()
    page.get_by_label("내 비밀번호").fill(someone.password)
    ask.click()
    dialog.get_by_role("button", name="완전히 지우기").click()
    expect(page.get_by_label("비밀번호", exact=True)).to_be_visible()
    erased = [call["status"] for call in stack.calls("/api/v1/me") if call["method"] == "DELETE"]
    assert erased == [400, 204]
    visitor.open("/settings")
    expect(page.get_by_label("비밀번호", exact=True)).to_be_visible()
