"""Conversations found again by their words and taken along as files, in a real browser."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

_NOBODYS = "01900000-0000-7000-8000-000000000000"

_TALKS = ("고구마는 누가 골랐어?", "보험은 언제 끝나?")


def _talk(who: Any, question: str) -> str:
    """A finished conversation of one question."""
    conversation: str = who.http.post("/api/v1/conversations", json={}).json()["id"]
    who.http.post(f"/api/v1/conversations/{conversation}/messages", json={"content": question}).raise_for_status()
    return conversation


@pytest.mark.browser
@pytest.mark.xdist_group("browser-asking")
def test_a_conversation_is_found_by_its_words(visit: Any, someone: Any) -> None:
    for question in _TALKS:
        _talk(someone, question)
    visitor = visit(someone)
    page = visitor.open("/ask")
    sidebar = page.get_by_test_id("stSidebar")
    field = sidebar.get_by_placeholder("대화 찾기")
    field.fill("보험")
    field.press("Enter")
    expect(sidebar.locator("a.maru-card")).to_have_text([_TALKS[1]])
    expect(page.locator("#maru-live")).to_contain_text("찾은 대화: 1")
    field.fill("화성")
    field.press("Enter")
    expect(sidebar.get_by_text("이 말이 있는 대화가 없습니다.")).to_be_visible()
    visitor.settle()
    assert visitor.violations() == []
    field.fill("")
    field.press("Enter")
    expect(sidebar.locator("a.maru-card")).to_have_count(2)


@pytest.mark.browser
@pytest.mark.xdist_group("browser-asking")
@pytest.mark.parametrize(("name", "ending"), [("Markdown으로 저장", "md"), ("JSON으로 저장", "json")])
def test_a_conversation_is_saved_as_a_file(visit: Any, someone: Any, tmp_path: Path, name: str, ending: str) -> None:
    conversation = _talk(someone, _TALKS[0])
    visitor = visit(someone)
    page = visitor.open(f"/ask?c={conversation}")
    visitor.button("대화 관리").click()
    address = page.get_by_role("link", name=name).get_attribute("href")
    with page.expect_download() as coming:
        page.evaluate("(address) => { location.href = address; }", address)
    coming.value.save_as(tmp_path / "saved")
    assert coming.value.suggested_filename == f"conversation-{conversation}.{ending}"
    assert _TALKS[0] in (tmp_path / "saved").read_text(encoding="utf-8")


def test_a_conversation_is_given_to_nobody_else(stack: Any, someone: Any) -> None:
    conversation = _talk(someone, _TALKS[0])
    address = f"{stack.app.url}/export/{conversation}?format=json"
    mine = httpx.get(address, cookies={"maru_session": someone.handle})
    assert json.loads(mine.content)["id"] == conversation
    assert mine.headers["cache-control"] == "no-store"
    assert httpx.get(address).status_code == 404
    assert httpx.get(address, cookies={"maru_session": stack.somebody().handle}).status_code == 404


@pytest.mark.parametrize("path", ["me", "../me", f"{_NOBODYS}/../../me", f"{_NOBODYS}?format=pdf"])
def test_the_way_to_exports_leads_nowhere_else(stack: Any, someone: Any, path: str) -> None:
    answer = httpx.get(f"{stack.app.url}/export/{path}", cookies={"maru_session": someone.handle})
    assert "email" not in answer.text
    assert answer.status_code == 404 or "<html" in answer.text
