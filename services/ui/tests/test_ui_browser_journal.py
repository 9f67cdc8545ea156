"""Writing, sending files, watching insights arrive, reading, correcting and deleting, in a real browser."""

import struct
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from shared.testing.waiting import eventually_sync

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser-writing")]


def _png(path: Path, side: int = 64) -> Path:
    """A small picture of one colour."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + bytes((43, 130, 107)) * side for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return path


def _entries(who: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = who.http.get("/api/v1/entries").json()["entries"]
    return rows


def test_a_note_is_kept_once_and_its_insights_arrive_step_by_step(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(step_delay=0.4)
    visitor = visit(someone)
    page = visitor.open("/journal")
    page.locator(".st-key-compose textarea:visible").fill("아이가 처음 자전거를 탔다. 정말 기뻤다.")
    visitor.button("남기기").click()
    steps = page.locator(".st-key-arriving")
    expect(steps).to_contain_text("읽기")
    expect(steps).to_contain_text("알아낸 것")
    expect(steps).to_be_hidden(timeout=15_000)
    card = page.locator("a.maru-card").first
    expect(card).to_contain_text("기쁨")
    expect(page.locator("#maru-live")).to_contain_text("다 읽었습니다")
    expect(page.locator(".st-key-compose textarea:visible")).to_have_value("")
    assert len(_entries(someone)) == 1


def test_the_composer_stays_usable_while_an_entry_is_read(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(step_delay=0.8)
    visitor = visit(someone)
    page = visitor.open("/journal")
    box = page.locator(".st-key-compose textarea:visible")
    box.fill("첫 번째.")
    visitor.button("남기기").click()
    expect(page.locator(".st-key-arriving")).to_be_visible()
    box.fill("두 번째.")
    visitor.button("남기기").click()
    eventually_sync(lambda: {row["note"] for row in _entries(someone)} == {"첫 번째.", "두 번째."})
    visitor.settle()
    expect(page.locator("a.maru-card")).to_have_count(2)


def test_an_empty_note_is_refused_in_words(visit: Any, someone: Any) -> None:
    visitor = visit(someone)
    page = visitor.open("/journal")
    visitor.button("남기기").click()
    expect(page.get_by_text("먼저 몇 자 적어 주세요.")).to_be_visible()
    assert _entries(someone) == []


def test_a_photo_goes_straight_to_storage_and_shows_in_the_gallery(visit: Any, someone: Any, tmp_path: Path) -> None:
    visitor = visit(someone)
    page = visitor.open("/journal")
    page.get_by_role("radio", name="사진", exact=True).first.click()
    page.locator('.maru-upload:visible input[type="file"]').set_input_files(_png(tmp_path / "마당.png"))
    expect(page.get_by_text("준비됨")).to_be_visible()
    page.locator(".st-key-compose textarea:visible").fill("마당의 가을")
    visitor.button("남기기").click()
    visitor.settle()
    page.get_by_role("radio", name="사진첩").click()
    picture = page.locator("img.maru-card-image").first
    expect(picture).to_be_visible()
    loaded = "(image) => image.complete && image.naturalWidth > 0"
    eventually_sync(lambda: picture.evaluate(loaded))
    sent = [url for url in visitor.requests if "/files/" in url]
    assert sent
    assert not any("_stcore/upload_file" in url for url in visitor.requests)
    visitor.settle()
    page.locator("a.maru-card").first.click()
    expect(page.locator(".maru-figure img")).to_be_visible()


def test_a_refused_file_says_so_and_can_be_taken_out(visit: Any, stack: Any, someone: Any, tmp_path: Path) -> None:
    stack.control(fail_uploads=True)
    visitor = visit(someone)
    page = visitor.open("/journal")
    page.get_by_role("radio", name="사진", exact=True).first.click()
    page.locator('.maru-upload:visible input[type="file"]').set_input_files(_png(tmp_path / "a.png"))
    expect(page.get_by_text("파일의 내용이 이름과 다릅니다.")).to_be_visible()
    visitor.button("남기기").click()
    expect(page.get_by_role("alert")).to_be_visible()
    visitor.button("빼기: a.png").click()
    expect(page.locator(".maru-file")).to_have_count(0)


def test_a_file_of_150_mb_does_not_pass_through_the_app(visit: Any, stack: Any, someone: Any, tmp_path: Path) -> None:
    big = tmp_path / "긴 녹음.wav"
    with big.open("wb") as file:
        file.truncate(150 * 1024 * 1024)
    visitor = visit(someone)
    page = visitor.open("/journal")
    page.get_by_role("radio", name="음성").first.click()
    visitor.settle()
    before = stack.app.rss_mib()
    page.locator('.maru-upload:visible input[type="file"]').set_input_files(big)
    expect(page.locator(".maru-file progress")).to_be_visible()
    expect(page.get_by_text("준비됨")).to_be_visible(timeout=60_000)
    assert stack.app.rss_mib() - before < 10


def test_an_entry_can_be_corrected_edited_and_deleted(visit: Any, someone: Any) -> None:
    entry = someone.write("걱정이 많은 하루였다.", title="하루")
    visitor = visit(someone)
    page = visitor.open(f"/entry?id={entry['id']}")
    visitor.button("고치기").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("요약").fill("괜찮은 하루였다.")
    dialog.get_by_role("button", name="저장").click()
    expect(page.locator(".maru-summary")).to_have_text("괜찮은 하루였다.")
    expect(page.get_by_text("직접 고친 것: 요약")).to_be_visible()
    visitor.settle()
    visitor.button("고쳐 쓰기").click()
    page.get_by_role("dialog").get_by_role("textbox", name="글").fill("다시 보니 평온한 하루였다.")
    page.get_by_role("dialog").get_by_role("button", name="저장").click()
    expect(page.locator(".maru-reader")).to_have_text("다시 보니 평온한 하루였다.")
    expect(page.locator(".maru-summary")).to_have_text("괜찮은 하루였다.")
    visitor.settle()
    visitor.button("지우기").click()
    page.get_by_role("dialog").get_by_role("button", name="지우기", exact=True).click()
    expect(page.get_by_role("heading", name="기록", exact=True)).to_be_visible()
    assert _entries(someone) == []


def test_a_failed_entry_names_its_cause_and_can_be_tried_again(visit: Any, stack: Any, someone: Any) -> None:
    stack.control(fail_entries=True)
    made = someone.http.post("/api/v1/entries", json={"kind": "note", "body": "잠긴 글. 기뻤다."}).json()
    visitor = visit(someone)
    page = visitor.open(f"/entry?id={made['id']}")
    expect(page.get_by_text("파일이 비밀번호로 잠겨 있습니다.")).to_be_visible()
    stack.control(fail_entries=False)
    visitor.button("다시 시도").click()
    expect(page.locator(".maru-summary")).to_be_visible()


def test_the_calendar_counts_days_of_the_persons_own_time_zone(visit: Any, someone: Any) -> None:
    morning_in_seoul = datetime(2026, 3, 9, 23, 30, tzinfo=UTC)
    someone.write("이른 아침의 글.", occurred_at=morning_in_seoul.isoformat())
    visitor = visit(someone)
    page = visitor.open("/journal?view=calendar&month=2026-03")
    page.get_by_role("button", name="3월 10일 화요일, 기록 1편").click()
    expect(page.locator("a.maru-card")).to_contain_text("이른 아침의 글.")
    page.get_by_role("button", name="다음 달").click()
    expect(page.get_by_text("이 달에는 기록이 없습니다.")).to_be_visible()


def test_patterns_are_charts_with_their_numbers_in_words(visit: Any, someone: Any) -> None:
    for days in (1, 8, 15):
        at = datetime.now(UTC) - timedelta(days=days)
        someone.write("바다를 보았다. 바다가 좋아 기뻤다.", occurred_at=at.isoformat())
    visitor = visit(someone)
    page = visitor.open("/journal?view=patterns")
    expect(page.get_by_text("자주 나온 감정: 기쁨 3")).to_be_visible()
    expect(page.get_by_test_id("stEChartsChart")).to_have_count(2)
    expect(page.locator(".stEChartsChart").first).to_be_visible()
    page.get_by_text("표로 보기").last.click()
    expect(page.get_by_role("table").last).to_contain_text("기쁨 1")


def test_filters_live_in_the_address(visit: Any, someone: Any) -> None:
    someone.write("기뻤다.", title="기쁜 글")
    someone.write("걱정이다.", title="걱정 글")
    visitor = visit(someone)
    page = visitor.open("/journal?emotion=joy")
    expect(page.locator("a.maru-card")).to_have_count(1)
    expect(page.locator("a.maru-card")).to_contain_text("기쁜 글")
    visitor.button("거르기 1").click()
    visitor.button("모두 보기").click()
    expect(page.locator("a.maru-card")).to_have_count(2)
    assert "emotion" not in page.url


def test_another_persons_entry_is_not_there(visit: Any, stack: Any, someone: Any) -> None:
    other = stack.somebody("다른 사람")
    secret = other.write("비밀스러운 이야기.")
    visitor = visit(someone)
    page = visitor.open(f"/entry?id={secret['id']}")
    expect(page.get_by_text("찾을 수 없습니다.")).to_be_visible()
    assert "비밀스러운" not in page.content()


def test_spaces_people_and_roles_are_kept_in_settings(visit: Any, stack: Any, someone: Any) -> None:
    other = stack.somebody("민수")
    visitor = visit(someone)
    page = visitor.open("/settings")
    page.get_by_text("사람 더하기").click()
    page.get_by_label("이름", exact=True).fill("할머니")
    visitor.button("더하기").click()
    expect(page.get_by_text("할머니", exact=True)).to_be_visible()
    visitor.settle()
    page.get_by_text("함께 쓸 공간 만들기").click()
    page.get_by_label("공간 이름").fill("우리 가족")
    visitor.button("만들기").click()
    expect(page.get_by_text("우리 가족")).to_be_visible()
    page.get_by_label("초대할 사람의 이메일").fill(other.email)
    visitor.button("초대하기").click()
    eventually_sync(lambda: "우리 가족" in [s["name"] for s in other.http.get("/api/v1/me").json()["spaces"]])
    theirs = visit(other)
    theirs.open("/settings")
    expect(theirs.page.get_by_text("우리 가족")).to_be_visible()
    assert theirs.page.get_by_label("초대할 사람의 이메일").count() == 0
