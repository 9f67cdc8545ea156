"""Loads a data set as one person's entries, asks every question, and scores what comes back.

A second person, who has written the very words of the questions down, must never turn up in the first one's results.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from shared.evaluation import Answered, Citation, Dataset, Document, Question, Report, Run, evaluate

from maru.api_client import ApiClient, api_client

Say = Callable[[str], None]
Item = TypeVar("Item")
Made = TypeVar("Made")

_AT_ONCE = 12
_BAITS = 40
_DEPTH = 10
_UNDERSTOOD_WITHIN_S = 1800
FOREIGN = "(somebody else's)"


async def measure(url: str, dataset: Dataset, say: Say, *, answers: bool) -> Report:
    """The scores of one data set on the product at `url`; `answers` also asks each question in a conversation."""
    async with api_client(url) as other, api_client(url) as api:
        await _new_account(other)
        await _new_account(api)
        say(f"{dataset.name}: writing {len(dataset.documents)} entries …")
        baits = [Document(f"bait-{question.id}", "", question.text, question.lang) for question in dataset.questions]
        await _each(baits[:_BAITS], lambda bait: _write(other, bait))
        ids = await _each(dataset.documents, lambda document: _write(api, document))
        entries = dict(zip(ids, (document.id for document in dataset.documents), strict=True))
        await api.wait_until_understood(_UNDERSTOOD_WITHIN_S)
        say(f"{dataset.name}: asking {len(dataset.questions)} questions …")
        runs = await _each(dataset.questions, lambda question: _run(api, question, entries, answers))
        return evaluate(runs, dataset)


async def _new_account(api: ApiClient) -> None:
    await api.sign_up_or_in(f"eval-{secrets.token_hex(6)}@maru.example", secrets.token_urlsafe(16), "Evaluation")


async def _each(items: Iterable[Item], work: Callable[[Item], Awaitable[Made]]) -> list[Made]:
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Item) -> Made:
        async with turn:
            return await work(item)

    return list(await asyncio.gather(*(one(item) for item in items)))


async def _write(api: ApiClient, document: Document) -> str:
    wish = {"kind": "note", "title": document.title or None, "body": document.text}
    if document.occurred_at:
        wish["occurred_at"] = document.occurred_at
    return str((await api.ask("POST", "/api/v1/entries", json=wish))["id"])


async def _run(api: ApiClient, question: Question, entries: dict[str, str], answers: bool) -> Run:
    found = await api.ask("POST", "/api/v1/search", json={"query": question.text, "limit": _DEPTH})
    documents = tuple(entries.get(hit["entry_id"], FOREIGN) for hit in found["hits"])
    return Run(question.id, documents, await _answer(api, question, entries) if answers else None)


async def _answer(api: ApiClient, question: Question, entries: dict[str, str]) -> Answered:
    conversation = await api.ask("POST", "/api/v1/conversations", json={})
    message = await api.ask(
        "POST", f"/api/v1/conversations/{conversation['id']}/messages", json={"content": question.text}
    )
    citations = tuple(
        Citation(entries.get(citation["entry_id"], FOREIGN), citation["quote"])
        for citation in message["citations"]
        if citation["state"] == "verified"
    )
    return Answered(message["content"], citations, refused=not message["citations"])
