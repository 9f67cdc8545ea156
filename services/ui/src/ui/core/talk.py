"""Conversations: the list, one with its messages, and what a question needs."""

from shared.contracts.conversation import ConversationPage, ConversationWithMessages, Message

from ui.core.api import Api, Query


def is_running(message: Message) -> bool:
    """Whether this answer is still being written and can be followed."""
    return message.role == "assistant" and message.status == "streaming" and message.stream_id is not None


def conversations(api: Api, *, wanted: str = "", size: int = 40) -> ConversationPage:
    """The last used first; `wanted` are words of a title or of a message."""
    query: Query = {"page_size": size, "q": wanted}
    return ConversationPage.model_validate(api.call("GET", "/api/v1/conversations", query=query))


def conversation(api: Api, conversation_id: str) -> ConversationWithMessages:
    return ConversationWithMessages.model_validate(api.call("GET", f"/api/v1/conversations/{conversation_id}"))


def begin(api: Api, key: str) -> str:
    return str(api.call("POST", "/api/v1/conversations", body={}, key=key)["id"])


def rename(api: Api, conversation_id: str, title: str) -> None:
    api.call("PATCH", f"/api/v1/conversations/{conversation_id}", body={"title": title})


def forget(api: Api, conversation_id: str) -> None:
    api.call("DELETE", f"/api/v1/conversations/{conversation_id}")


def stop(api: Api, stream_id: str) -> None:
    api.call("POST", f"/api/v1/streams/{stream_id}/cancel")
