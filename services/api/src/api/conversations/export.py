"""A conversation as a file to keep."""

from __future__ import annotations

from shared.contracts.conversation import Citation, ConversationWithMessages, Message

from api.conversations.followup import language_of

_WORDS = {
    "ko": {
        "verified": "확인됨",
        "misattributed": "다른 기록에 있음",
        "missing": "기록에서 찾을 수 없음",
        "source-deleted": "삭제된 기록",
        "cancelled": "중지됨",
        "interrupted": "중단됨",
        "failed": "실패",
        "sources": "출처",
        "untitled": "대화",
    },
    "en": {
        "verified": "verified",
        "misattributed": "stands in another entry",
        "missing": "not found in the entries",
        "source-deleted": "entry deleted",
        "cancelled": "stopped",
        "interrupted": "interrupted",
        "failed": "failed",
        "sources": "Sources",
        "untitled": "Conversation",
    },
}


def as_markdown(conversation: ConversationWithMessages) -> str:
    """Questions as headings, answers below them, each with its sources."""
    said = "".join(message.content for message in conversation.messages)
    words = _WORDS[language_of(conversation.title + said)]
    parts = [f"# {_line(conversation.title) or words['untitled']}", f"{conversation.created_at:%Y-%m-%d %H:%M} UTC"]
    for message in conversation.messages:
        parts += _question(message) if message.role == "user" else _answer(message, words)
    return "\n\n".join(parts) + "\n"


def _question(message: Message) -> list[str]:
    first, *rest = message.content.splitlines()
    return [f"## {first}", *(["\n".join(rest)] if rest else [])]


def _answer(message: Message, words: dict[str, str]) -> list[str]:
    parts = [message.content] if message.content else []
    if message.status in words:
        parts.append(f"({words[message.status]})")
    if message.citations:
        listed = "\n".join(_source(citation, words) for citation in message.citations)
        parts.append(f"{words['sources']}:\n\n{listed}")
    return parts


def _source(citation: Citation, words: dict[str, str]) -> str:
    date = f"{citation.occurred_at:%Y-%m-%d}" if citation.occurred_at else ""
    where = ", ".join(part for part in (_line(citation.title or ""), date) if part)
    quote = f" “{_line(citation.quote)}”" if citation.quote else ""
    return f"{citation.n}. {where}{quote} ({words[citation.state]})"


def _line(text: str) -> str:
    return " ".join(text.split())
