"""Recording, finding and asking."""

from __future__ import annotations

import asyncio
import hashlib
import struct
import zlib
from typing import Any

from maru.smoke.events import Event, begin, follow
from maru.smoke.http import Broken
from maru.smoke.walk import Walk, Written

_PAUSE_S = 0.5
_WIDTH, _HEIGHT = 96, 64


async def write_korean(walk: Walk) -> str:
    """An entry in Korean; the same request again is the same entry."""
    body = f"오늘 할머니와 {walk.word} 느티나무 아래에서 수박을 먹었다. 바람이 시원해서 행복했다."
    return await _write(walk, "ko", body, f"{walk.word} 느티나무 아래에서 할머니와 무엇을 먹었지?")


async def write_english(walk: Walk) -> str:
    """An entry in English."""
    body = f"The {walk.word} boiler was repaired on 3 March by Mr Kim. It cost 180 euros, and the heating works again."
    return await _write(walk, "en", body, f"What did the {walk.word} boiler repair cost?")


async def understood(walk: Walk) -> str:
    """Each step of understanding arrives live, also over a connection that was cut."""
    for written in (walk.entries["ko"], walk.entries["en"]):
        await _understood(walk, written.id)
    entry = await walk.api.ask("GET", f"/api/v1/entries/{walk.entries['ko'].id}", status=200)
    insights = entry["insights"]
    if not insights["summary"]:
        raise Broken("An entry is ready and has no summary")
    return f"by {insights['provider']}"


async def found(walk: Walk) -> str:
    """Both are found by their word, and what is shown stands in them, character by character."""
    for written in (walk.entries["ko"], walk.entries["en"]):
        await _found(walk, written, f"{walk.word} {'느티나무' if written is walk.entries['ko'] else 'boiler'}")
    return ""


async def answered(walk: Walk) -> str:
    """An answer streams, goes on after a cut, and cites the entry with a quote that stands there."""
    conversation = await walk.api.ask("POST", "/api/v1/conversations", json={"title": walk.word}, status=201)
    path = f"/api/v1/conversations/{conversation['id']}"
    walk.made.append(path)
    written = walk.entries["ko"]
    events = await begin(
        walk.api, f"{path}/messages", {"content": written.question}, lambda event: event.name == "delta"
    )
    if not events or events[0].name != "start":
        raise Broken("An answer does not begin with `start`")
    if events[-1].name != "done":
        events = await follow(walk.api, f"/api/v1/streams/{events[0].data['stream_id']}", events)
    message = _finished(events)
    quotes = [
        citation["quote"]
        for citation in message["citations"]
        if citation["state"] == "verified" and citation["entry_id"] == written.id
    ]
    if not quotes:
        raise Broken("The answer cites no passage of the entry that holds it")
    if not any(quote in written.body for quote in quotes):
        raise Broken("A quote counts as verified and does not stand in its entry")
    return f"by {message['provider']}, {len(events)} events"


async def file_stored(walk: Walk) -> str:
    """Bytes go to a signed address, and the same bytes come back."""
    text = f"Inventory {walk.word}: eleven lanterns, two ladders and a copper kettle.\n" * 3
    await _upload(walk, "document", f"{walk.word}.txt", "text/plain", text.encode())
    return f"{len(text)} bytes"


async def document_understood(walk: Walk) -> str:
    """What a file says is found."""
    upload, data = walk.uploads["document"]
    entry = await _entry(walk, {"kind": "document", "uploads": [upload]})
    await _understood(walk, entry)
    await _hit(walk, entry, f"{walk.word} lanterns")
    return f"{len(data)} bytes read"


async def photo_kept(walk: Walk) -> str:
    """A photo becomes an entry, and a small picture of it is there."""
    upload = await _upload(walk, "photo", f"{walk.word}.png", "image/png", _picture(walk.run))
    await _understood(walk, await _entry(walk, {"kind": "photo", "title": f"사진 {walk.word}", "uploads": [upload]}))
    small, content_type = await walk.api.bytes_of(f"/api/v1/uploads/{upload}/thumbnail")
    if not small or not content_type.startswith("image/"):
        raise Broken(f"The small picture of a photo is {content_type or 'nothing'}")
    return f"thumbnail {len(small)} bytes"


async def _write(walk: Walk, lang: str, body: str, question: str) -> str:
    key = {"Idempotency-Key": f"{walk.word}-{lang}"}
    wish = {"kind": "note", "title": walk.word, "body": body}
    first = await walk.api.ask("POST", "/api/v1/entries", json=wish, headers=key, status=201)
    walk.made.append(f"/api/v1/entries/{first['id']}")
    again = await walk.api.ask("POST", "/api/v1/entries", json=wish, headers=key)
    if again["id"] != first["id"]:
        walk.made.append(f"/api/v1/entries/{again['id']}")
        raise Broken("The same request with the same Idempotency-Key made a second entry")
    walk.entries[lang] = Written(first["id"], body, question)
    return ""


async def _entry(walk: Walk, wish: dict[str, Any]) -> str:
    entry = await walk.api.ask("POST", "/api/v1/entries", json=wish, status=201)
    walk.made.append(f"/api/v1/entries/{entry['id']}")
    return str(entry["id"])


async def _understood(walk: Walk, entry_id: str) -> None:
    events = await follow(walk.api, f"/api/v1/entries/{entry_id}/events")
    if events[-1].name != "done":
        raise Broken(f"An entry ended as {events[-1].name}: {events[-1].data.get('detail') or events[-1].data}")
    entry = await walk.api.ask("GET", f"/api/v1/entries/{entry_id}", status=200)
    if entry["status"] != "ready":
        raise Broken(f"The stream of an entry says done, and the entry says {entry['status']}")


async def _found(walk: Walk, written: Written, query: str) -> None:
    hit = await _hit(walk, written.id, query)
    if written.body[hit["start"] : hit["end"]] != hit["text"]:
        raise Broken("A search hit shows a text that does not stand at its place in the entry")


async def _hit(walk: Walk, entry_id: str, query: str) -> dict[str, Any]:
    """Until the step's time is up: an index may lag behind."""
    while True:
        answer = await walk.api.ask("POST", "/api/v1/search", json={"query": query}, status=200)
        for hit in answer["hits"]:
            if hit["entry_id"] == entry_id:
                found: dict[str, Any] = hit
                return found
        await asyncio.sleep(_PAUSE_S)


def _finished(events: list[Event]) -> dict[str, Any]:
    if events[-1].name != "done":
        raise Broken(f"The answer ended as {events[-1].name}: {events[-1].data.get('detail') or events[-1].data}")
    if not any(event.name == "delta" for event in events):
        raise Broken("The answer came without any `delta`")
    message: dict[str, Any] = events[-1].data["message"]
    return message


async def _upload(walk: Walk, name: str, filename: str, content_type: str, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    wish = {"filename": filename, "content_type": content_type, "size": len(data), "sha256": digest}
    ticket = await walk.api.ask("POST", "/api/v1/uploads", json=wish, status=201)
    upload = str(ticket["id"])
    walk.made.append(f"/api/v1/uploads/{upload}")
    await walk.api.put(ticket, data)
    stored = await walk.api.ask("POST", f"/api/v1/uploads/{upload}/complete", status=200)
    if stored["status"] != "ready" or stored["sha256"] != digest:
        raise Broken(f"A stored file is {stored['status']} with another digest than what was sent")
    back, _ = await walk.api.bytes_of(f"/api/v1/uploads/{upload}/content")
    if back != data:
        raise Broken(f"{len(data)} bytes were stored and {len(back)} others came back")
    walk.uploads[name] = (upload, data)
    return upload


def _picture(run: str) -> bytes:
    """A small PNG, different for each walk, made without an imaging library."""
    seed = int(run, 16)
    rows = b"".join(
        b"\0"
        + bytes(
            (x * 2 + seed) % 256 if channel else (y * 3 + seed // 256) % 256
            for x in range(_WIDTH)
            for channel in range(3)
        )
        for y in range(_HEIGHT)
    )
    head = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
