"""`/api/v1/conversations`."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from shared.contracts.conversation import Conversation, ConversationPage, ConversationWithMessages, Message
from shared.http.idempotency import IdempotencyKey
from shared.http.ratelimit import Limit, RateLimiter
from shared.streams import sse_response

from api.conversations.asking import AskingService
from api.conversations.export import as_markdown
from api.conversations.schemas import ConversationChange, NewConversation, NewMessage
from api.conversations.service import ConversationService
from api.http.caller import Caller
from api.http.services import provided
from api.http.values import PlainText

router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"])
Service = Annotated[ConversationService, Depends(provided(ConversationService))]
Asking = Annotated[AskingService, Depends(provided(AskingService))]

# Each question may cost money, so a program that loops is stopped early.
_QUESTIONS = Limit("questions", per_minute=60, burst=30)
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The finished answer; or, with `Accept: text/event-stream`, its events: `start`, `delta`, `citation`, and at the end `done`, "
        "`error`, `cancelled` or `interrupted`",
        "model": Message,
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.post("", status_code=201, summary="Begin a conversation")
async def create(
    new: NewConversation, caller: Caller, service: Service, idempotency_key: IdempotencyKey = None
) -> Conversation:
    """Without a title the first question becomes one. `space_ids` narrows what is asked; empty means everything the caller reads."""
    return await service.create(caller, new, idempotency_key)


@router.get("", summary="List one's conversations")
async def page(
    caller: Caller,
    service: Service,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
    page_token: Annotated[str | None, Query(max_length=500)] = None,
    q: Annotated[PlainText | None, Query(max_length=200, description="Words in title or messages")] = None,
) -> ConversationPage:
    """The last used first."""
    return await service.page(caller, page_size, page_token, q.strip() or None if q else None)


@router.get("/{conversation_id}", summary="Read a conversation")
async def read(conversation_id: UUID, caller: Caller, service: Service) -> ConversationWithMessages:
    """With all messages. A citation whose entry is gone has the state `source-deleted`."""
    return await service.read(caller, conversation_id)


@router.patch("/{conversation_id}", summary="Rename a conversation or change its spaces")
async def change(conversation_id: UUID, wanted: ConversationChange, caller: Caller, service: Service) -> Conversation:
    """What is left out stays."""
    return await service.change(caller, conversation_id, wanted)


@router.delete("/{conversation_id}", status_code=204, summary="Delete a conversation")
async def delete(conversation_id: UUID, caller: Caller, service: Service) -> None:
    """With its messages and their streams; an answer that is being written stops."""
    await service.delete(caller, conversation_id)


@router.get("/{conversation_id}/export", response_class=Response, summary="Export a conversation")
async def export(
    conversation_id: UUID,
    caller: Caller,
    service: Service,
    form: Annotated[Literal["markdown", "json"], Query(alias="format")] = "markdown",
) -> Response:
    """As Markdown, or as the same JSON that reading it gives."""
    conversation = await service.read(caller, conversation_id)
    if form == "json":
        return _file(conversation.model_dump_json(indent=2), "application/json", f"{conversation_id}.json")
    return _file(as_markdown(conversation), "text/markdown; charset=utf-8", f"{conversation_id}.md")


@router.post("/{conversation_id}/messages", responses=_ANSWER, response_model=Message, summary="Ask")
async def ask(
    conversation_id: UUID,
    new: NewMessage,
    caller: Caller,
    asking: Asking,
    request: Request,
    accept: Annotated[str, Header()] = "",
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Ask the caller's own entries. The answer goes on when the client leaves: follow it again under `/api/v1/streams/{stream_id}`."""
    limiter: RateLimiter = request.app.state.limiter
    limiter.spend_here(_QUESTIONS, str(caller.user_id))
    stream_id = await asking.ask(caller, conversation_id, new.content, idempotency_key)
    if "text/event-stream" in accept:
        return sse_response(asking.follow(caller, stream_id))
    return await asking.wait(caller, stream_id)


def _file(content: str, media_type: str, name: str) -> Response:
    return Response(
        content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="conversation-{name}"'}
    )
