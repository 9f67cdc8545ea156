"""Conversations, answers as streams, resuming and cancelling."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from identity import Strict, User
from pydantic import Field
from shared.contracts.conversation import Conversation, ConversationPage, ConversationWithMessages
from state import WORLD, Refused, Row, Stream, new_id, now

router = APIRouter()


class Begin(Strict):
    title: str = ""
    space_ids: list[str] = Field(default_factory=list)


class Title(Strict):
    title: str


class Question(Strict):
    content: str


def _own(user: str, conversation: str) -> Row:
    row = WORLD.conversations.get(conversation)
    if row is None or row["owner"] != user:
        raise Refused(404, "not_found", "There is no such conversation.")
    return row


def _shown(row: Row) -> Row:
    return {key: value for key, value in row.items() if key not in ("owner", "messages")}


@router.post("/api/v1/conversations", status_code=201, response_model=Conversation)
async def begin(wanted: Begin, user: User, idempotency_key: Annotated[str, Header()] = "") -> Row:
    again = WORLD.repeats.get((user, "conversation", idempotency_key))
    if idempotency_key and again is not None:
        return _shown(again)
    row = {
        "id": new_id(),
        "owner": user,
        "title": wanted.title,
        "created_at": now(),
        "updated_at": now(),
        "messages": [],
        "space_ids": [],
    }
    WORLD.conversations[row["id"]] = row
    WORLD.repeats[user, "conversation", idempotency_key] = row
    return _shown(row)


@router.get("/api/v1/conversations", response_model=ConversationPage)
async def listing(user: User, page_size: int = 20, q: str = "") -> Row:
    found = (r for r in WORLD.conversations.values() if r["owner"] == user and _holds(r, q.lower()))
    rows = sorted(found, key=lambda r: str(r["updated_at"]))
    return {"conversations": [_shown(row) for row in rows[::-1][:page_size]], "next_page_token": None}


@router.get("/api/v1/conversations/{conversation}", response_model=ConversationWithMessages)
async def one(conversation: str, user: User) -> Row:
    row = _own(user, conversation)
    return _shown(row) | {"messages": [{k: v for k, v in m.items() if k != "stream"} for m in row["messages"]]}


def _holds(row: Row, words: str) -> bool:
    return any(words in text.lower() for text in (row["title"], *(m["content"] for m in row["messages"])))


@router.get("/api/v1/conversations/{conversation}/export")
async def export(
    conversation: str, user: User, form: Annotated[Literal["markdown", "json"], Query(alias="format")] = "markdown"
) -> Response:
    row = _own(user, conversation)
    lines = [f"# {row['title']}", *(f"**{m['role']}**: {m['content']}" for m in row["messages"])]
    text = "\n\n".join(lines) if form == "markdown" else json.dumps(_shown(row), ensure_ascii=False)
    kind, ending = ("text/markdown", "md") if form == "markdown" else ("application/json", "json")
    headers = {"Content-Disposition": f'attachment; filename="conversation-{conversation}.{ending}"'}
    return Response(text, media_type=kind, headers=headers)


@router.patch("/api/v1/conversations/{conversation}", response_model=Conversation)
async def rename(conversation: str, wanted: Title, user: User) -> Row:
    row = _own(user, conversation)
    row["title"] = wanted.title
    return _shown(row)


@router.delete("/api/v1/conversations/{conversation}", status_code=204)
async def forget(conversation: str, user: User) -> Response:
    _own(user, conversation)
    del WORLD.conversations[conversation]
    return Response(status_code=204)


@router.post("/api/v1/conversations/{conversation}/messages")
async def ask(
    conversation: str, wanted: Question, user: User, request: Request, idempotency_key: Annotated[str, Header()] = ""
) -> Response:
    row = _own(user, conversation)
    again = WORLD.repeats.get((user, "message", idempotency_key))
    if idempotency_key and again is not None:
        return follow_stream(again["stream"], request)
    stream = Stream(user)
    WORLD.streams[stream.id] = stream
    asked = {"id": new_id(), "role": "user", "content": wanted.content, "status": "done", "created_at": now()}
    reply = {
        "id": new_id(), "role": "assistant", "content": "", "status": "streaming", "stream_id": stream.id,
        "citations": [], "provider": "offline", "created_at": now(), "usage": {}, "stream": stream,
    }  # fmt: skip
    row["messages"] += [asked, reply]
    row["title"] = row["title"] or wanted.content[:60]
    row["updated_at"] = now()
    WORLD.repeats[user, "message", idempotency_key] = reply
    await stream.append("start", {"stream_id": stream.id, "message_id": reply["id"]})
    WORLD.spawn(_write(user, wanted.content, reply, stream))
    return follow_stream(stream, request)


def evidence(user: str, question: str) -> list[Row]:
    """The sentences that share a word with the question, best entry first."""
    words = {w.lower() for w in re.findall(r"[가-힣]{2,}|[A-Za-z]{4,}", question)}
    stems = {w[:2] if "가" <= w[0] <= "힣" else w[:5] for w in words}
    found = []
    for row in WORLD.entries.values():
        if WORLD.role(user, row["space_id"]) is None:
            continue
        for match in re.finditer(r"[^.!?\n]+[.!?]?", row["body"]):
            score = sum(stem in match.group().lower() for stem in stems)
            if score:
                found.append({"score": score, "row": row, "start": match.start(), "quote": match.group()})
    found.sort(key=lambda hit: -hit["score"])
    return found[:3]


async def _write(user: str, question: str, reply: Row, stream: Stream) -> None:
    await asyncio.sleep(WORLD.knobs.first_delay)
    hits = evidence(user, question)
    text = " ".join(f"{hit['quote'].strip()} [{n}]" for n, hit in enumerate(hits, 1))
    text = text or "기록에서 근거를 찾지 못했습니다. There is nothing about this in your entries."
    filler = [f"w{n}" for n in range(WORLD.knobs.answer_words - len(text.split()))] if "long" in question else []
    for word in [*text.split(), *filler]:
        if stream.cancelled:
            reply["status"] = "cancelled"
            await stream.append("cancelled", {"code": "cancelled"}, last=True)
            return
        reply["content"] += f"{' ' if reply['content'] else ''}{word}"
        await stream.append("delta", {"text": f"{'' if len(reply['content']) == len(word) else ' '}{word}"})
        await asyncio.sleep(WORLD.knobs.token_delay)
    for n, hit in enumerate(hits, 1):
        start = hit["start"] + len(hit["quote"]) - len(hit["quote"].lstrip())
        quote = hit["quote"].strip()
        citation = {
            "n": n, "entry_id": hit["row"]["id"], "start": start, "end": start + len(quote), "quote": quote,
            "state": "verified", "title": hit["row"]["title"] or None, "version": hit["row"]["version"],
        }  # fmt: skip
        reply["citations"].append(citation)
        await stream.append("citation", citation)
    reply["status"] = "done"
    await stream.append("done", {"message": {k: v for k, v in reply.items() if k != "stream"}}, last=True)


def follow_stream(stream: Stream, request: Request) -> StreamingResponse:
    """Replay after `Last-Event-ID`, then follow; `cut_after` drops the connection now and then."""
    after = int(request.headers.get("last-event-id") or request.query_params.get("after") or 0)
    headers = {"Cache-Control": "no-store"}
    return StreamingResponse(_lines(stream, after), media_type="text/event-stream", headers=headers)


async def _lines(stream: Stream, position: int) -> AsyncIterator[str]:
    sent = 0
    while True:
        fresh = await stream.beyond(position)
        for kind, data in fresh:
            position += 1
            sent += 1
            yield f"id: {position}\nevent: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
            if WORLD.knobs.cut_after and sent >= WORLD.knobs.cut_after:
                raise ConnectionResetError
        if stream.ended and position >= len(stream.events):
            return


@router.get("/api/v1/streams/{stream_id}")
async def stream(stream_id: str, user: User, request: Request) -> Response:
    found = WORLD.streams.get(stream_id)
    if found is None or found.owner != user:
        raise Refused(404, "not_found", "There is no such stream.")
    return follow_stream(found, request)


@router.post("/api/v1/streams/{stream_id}/cancel", status_code=202)
async def cancel(stream_id: str, user: User) -> Row:
    found = WORLD.streams.get(stream_id)
    if found is None or found.owner != user:
        raise Refused(404, "not_found", "There is no such stream.")
    found.cancelled = True
    return {"status": "cancelled"}
