"""Entries with files: their text joins the body, what they show is kept beside them, and a bad file has its cause told."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from PIL import Image
from shared.testing.identity import Somebody
from shared.testing.memory import Memory
from shared.testing.openai_peer import OpenAiPeer, Reply


def _pdf(*pages: str) -> bytes:
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    for page in pages:
        canvas.drawString(72, 720, page)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _photo(taken: str | None = None) -> bytes:
    picture = Image.new("RGB", (640, 480), (200, 120, 40))
    exif = Image.Exif()
    if taken:
        exif.get_ifd(0x8769)[0x9003] = taken
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def _recording() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * 8000)
    return buffer.getvalue()


async def _save(who: Somebody, kind: str, uploads: list[str], **fields: Any) -> dict[str, Any]:
    answer = await who.http.post("/api/v1/entries", json={"kind": kind, "uploads": uploads, **fields})
    assert answer.status_code == 201, answer.text
    saved: dict[str, Any] = answer.json()
    return saved


async def test_a_documents_text_follows_the_persons_words_and_is_found(memory: Memory) -> None:
    jiwoo = await memory.person()
    pdf = await memory.upload(
        jiwoo, "lease.pdf", "application/pdf", _pdf("The deposit is returned in March.", "Second page.")
    )
    more = await memory.upload(jiwoo, "notes.md", "text/markdown", "# 열쇠\n\n열쇠는 화분 아래에 있다.".encode())
    saved = await _save(jiwoo, "document", [pdf, more], body="Signed today")
    assert saved["body"] == "Signed today"
    await memory.settle()

    entry = await memory.entry(jiwoo, saved["id"])
    assert (entry["status"], entry["note"]) == ("ready", "Signed today")
    assert entry["body"].startswith("Signed today\n\n")
    assert entry["body"].index("deposit") < entry["body"].index("화분")
    assert [attachment["extracted_by"] for attachment in entry["attachments"]] == ["parser", "parser"]
    assert entry["attachments"][0]["meta"]["pages"] == 2
    for query in ("deposit returned", "화분 아래 열쇠", "signed"):
        [hit] = await memory.hits(jiwoo, query)
        assert entry["body"][hit["start"] : hit["end"]] == hit["text"]


async def test_another_version_does_not_read_the_files_again(memory: Memory) -> None:
    jiwoo = await memory.person()
    text = await memory.upload(jiwoo, "a.txt", "text/plain", b"Words of the file.")
    saved = await _save(jiwoo, "document", [text], body="one")
    await memory.settle()
    [row] = await memory.rows("SELECT object_key FROM maru.uploads")
    # Were it read again, it would not be there.
    await memory.storage.delete([row["object_key"]])
    await jiwoo.http.patch(f"/api/v1/entries/{saved['id']}", json={"body": "two"})
    await memory.settle()
    entry = await memory.entry(jiwoo, saved["id"])
    assert (entry["status"], entry["version"], entry["body"]) == ("ready", 2, "two\n\nWords of the file.")


async def test_a_photo_gets_its_pictures_its_facts_and_its_date(memory: Memory) -> None:
    jiwoo = await memory.person()
    photo = await memory.upload(jiwoo, "walk.jpg", "image/jpeg", _photo("2019:04:05 16:30:00"))
    saved = await _save(jiwoo, "photo", [photo])
    await memory.settle()
    entry = await memory.entry(jiwoo, saved["id"])
    [attachment] = entry["attachments"]
    assert (attachment["meta"]["width"], attachment["meta"]["height"]) == (640, 480)
    assert attachment["thumbnail_url"] == f"/api/v1/uploads/{photo}/thumbnail"
    assert entry["occurred_at"].startswith("2019-04-05T16:30:00")
    assert (entry["status"], entry["insights"]) == ("ready", None)
    assert {step["step"]: step["state"] for step in entry["steps"]}["insights"] == "skipped"
    small = await jiwoo.http.get(attachment["thumbnail_url"], follow_redirects=True)
    assert Image.open(io.BytesIO(small.content)).size <= (512, 512)


async def test_a_date_the_person_gave_wins_over_the_photos(memory: Memory) -> None:
    jiwoo = await memory.person()
    photo = await memory.upload(jiwoo, "walk.jpg", "image/jpeg", _photo("2019:04:05 16:30:00"))
    saved = await _save(jiwoo, "photo", [photo], occurred_at="2020-01-01T00:00:00Z", body="New year")
    await memory.settle()
    assert (await memory.entry(jiwoo, saved["id"]))["occurred_at"].startswith("2020-01-01")


async def test_a_recording_without_a_model_is_kept_and_that_is_said(memory: Memory) -> None:
    jiwoo = await memory.person()
    sound = await memory.upload(jiwoo, "lullaby.wav", "audio/wav", _recording())
    saved = await _save(jiwoo, "audio", [sound], body="A lullaby")
    await memory.settle()
    entry = await memory.entry(jiwoo, saved["id"])
    assert (entry["status"], entry["body"]) == ("ready", "A lullaby")
    assert entry["attachments"][0]["error"]["code"] == "transcription_off"
    assert [hit["entry_id"] for hit in await memory.hits(jiwoo, "lullaby")] == [saved["id"]]


@pytest.mark.parametrize(
    ("name", "content_type", "data", "code"),
    [
        ("broken.pdf", "application/pdf", b"%PDF-1.7\nthis goes nowhere", "file_broken"),
        ("cut.jpg", "image/jpeg", _photo()[:900], "file_broken"),
    ],
)
async def test_a_file_that_cannot_be_read_fails_the_entry_with_its_cause_and_spares_the_others(
    memory: Memory, name: str, content_type: str, data: bytes, code: str
) -> None:
    jiwoo = await memory.person()
    upload = await memory.upload(jiwoo, name, content_type, data)
    kind = "photo" if content_type.startswith("image") else "document"
    saved = await _save(jiwoo, kind, [upload], body="see attached")
    after = await memory.note(jiwoo, "The next one is fine.")
    await memory.settle()
    entry = await memory.entry(jiwoo, saved["id"])
    assert (entry["status"], entry["error"]["code"], entry["error"]["step"]) == ("failed", code, "parse")
    assert entry["error"]["detail"]
    assert entry["attachments"][0]["error"]["code"] == code
    assert (await memory.entry(jiwoo, after["id"]))["status"] == "ready"


async def test_a_file_that_is_gone_fails_the_entry_with_its_cause(memory: Memory) -> None:
    jiwoo = await memory.person()
    upload = await memory.upload(jiwoo, "a.txt", "text/plain", b"Soon gone.")
    [row] = await memory.rows("SELECT object_key FROM maru.uploads")
    await memory.storage.delete([row["object_key"]])
    saved = await _save(jiwoo, "document", [upload])
    await memory.settle()
    entry = await memory.entry(jiwoo, saved["id"])
    assert (entry["status"], entry["error"]["step"]) == ("failed", "parse")


@pytest.fixture
async def peer() -> AsyncGenerator[OpenAiPeer]:
    async with OpenAiPeer() as peer:
        yield peer


async def test_with_models_photos_are_described_and_recordings_written_down(open_with: Any, peer: OpenAiPeer) -> None:
    environment = {**peer.environment, "MARU_EMBEDDING_MODEL": "none", "MARU_LLM_TIMEOUT_S": "5"}
    memory: Memory = await open_with(environment=environment)
    jiwoo = await memory.person()
    photo = await memory.upload(jiwoo, "walk.jpg", "image/jpeg", _photo())
    seen = await _save(jiwoo, "photo", [photo])
    peer.script(Reply('{"description": "A lighthouse at dusk.", "text": "EXIT 24"}'))
    await memory.settle()
    sound = await memory.upload(jiwoo, "memo.wav", "audio/wav", _recording())
    heard = await _save(jiwoo, "audio", [sound])
    peer.script(Reply("Remember to water the ficus."))
    await memory.settle()

    entry = await memory.entry(jiwoo, seen["id"])
    assert entry["status"] == "ready", entry["error"]
    assert "lighthouse" in entry["body"]
    assert [hit["entry_id"] for hit in await memory.hits(jiwoo, "lighthouse dusk")] == [seen["id"]]
    assert [hit["entry_id"] for hit in await memory.hits(jiwoo, "exit 24")] == [seen["id"]]
    assert (await memory.entry(jiwoo, heard["id"]))["body"] == "Remember to water the ficus."
    assert [hit["entry_id"] for hit in await memory.hits(jiwoo, "ficus")] == [heard["id"]]


async def test_what_no_database_takes_does_not_cost_a_photo_its_description(open_with: Any, peer: OpenAiPeer) -> None:
    memory = await open_with(environment={**peer.environment, "MARU_EMBEDDING_MODEL": "none"})
    jiwoo = await memory.person()
    upload = await memory.upload(jiwoo, "boat.jpg", "image/jpeg", _photo())
    seen = {"description": "A red\0 boat at sea.", "text": "\0호프\0"}
    peer.script(Reply(json.dumps(seen)))
    saved = await _save(jiwoo, "photo", [upload])
    await memory.settle()
    entry = await memory.entry(jiwoo, saved["id"])
    assert (entry["status"], entry["body"]) == ("ready", "A red boat at sea.\n\n호프")
