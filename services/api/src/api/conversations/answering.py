"""From a question to an answer: search, gate, cache, then a model or the extractive answerer."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from shared.llm import ModelError, TextDelta

from api.conversations import followup, offline, prompt, store
from api.conversations.outcome import Draft
from api.conversations.prompt import Turn

if TYPE_CHECKING:
    from shared.db import Database, Principal
    from shared.llm import LanguageModel
    from shared.retrieval import Passage, Retriever
    from shared.text.morphology import Morphology

log = logging.getLogger(__name__)

_PASSAGES = 12
_PER_ENTRY = 4
_CONDENSE_LIMIT_S = 6.0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, by whom, of which spaces, after what."""

    principal: Principal
    text: str
    space_ids: tuple[UUID, ...]
    history: Sequence[Turn]

    @property
    def language(self) -> str:
        """The language of the answer."""
        return followup.language_of(self.text)

    @property
    def leaning(self) -> bool:
        """Whether it cannot be understood without the history."""
        return bool(self.history) and followup.depends_on_history(self.text)


class Answerer:
    """Writes answers into drafts. Without a model it quotes, and says so by its provider."""

    def __init__(
        self,
        database: Database,
        retriever: Retriever,
        language_model: LanguageModel | None,
        morphology: Morphology | None,
        pace: Callable[[], float],
    ) -> None:
        self._database = database
        self._retriever = retriever
        self._model = language_model
        self._morphology = morphology
        self._pace = pace

    def ahead(self, question: Question) -> asyncio.Task[list[Passage]] | None:
        """Start the search while the question is still being stored, where nothing has to be asked first; give the task to `answer`."""
        return None if question.leaning else asyncio.create_task(self._search(question, question.text))

    async def answer(self, question: Question, draft: Draft, ahead: asyncio.Task[list[Passage]] | None = None) -> None:
        """Fill the draft; raises `ModelError` when the model fails, with what has arrived in the draft."""
        query = await self._query(question, draft)
        passages = await (ahead or self._search(question, query))
        if self._model is None:
            draft.use(passages)
            await offline.answer(draft, query, self._morphology)
            return
        draft.provider, draft.model = self._model.provider, self._model.name
        passages = prompt.fitting_passages(passages)
        draft.use(passages)
        if not passages:
            draft.refuse()
            return
        key = self._key("answer", question, [f"{p.sha256}:{p.entry_id}:{p.version}:{p.start}" for p in passages])
        if known := await self._recall(question.principal, key):
            draft.replay(known)
            return
        await self._ask(self._model, question, passages, draft)
        draft.cache_key = key

    async def _ask(self, model: LanguageModel, question: Question, passages: Sequence[Passage], draft: Draft) -> None:
        messages = prompt.answer_prompt(question.text, passages, question.history, question.language)
        pieces = model.stream(
            messages, max_tokens=prompt.ANSWER_TOKENS, temperature=0, pace=self._pace, prompt=prompt.ANSWER
        )
        async for piece in pieces:
            if isinstance(piece, TextDelta):
                draft.read(piece.text)
            else:
                draft.usage += piece.usage
                draft.truncated = piece.truncated
        draft.end()

    async def _search(self, question: Question, query: str) -> list[Passage]:
        from shared.retrieval import SearchFilter

        wanted = SearchFilter(space_ids=question.space_ids)
        return await self._retriever.search(question.principal, query, wanted, _PASSAGES, per_entry=_PER_ENTRY)

    async def _query(self, question: Question, draft: Draft) -> str:
        """What to search for: the question, or what it means after the history."""
        if not question.leaning:
            return question.text
        previous = next((turn.content for turn in reversed(question.history) if turn.role == "user"), "")
        plain = followup.joined_query(previous, question.text)
        if self._model is None:
            return plain
        key = self._key("condense", question, [])
        if known := await self._recall(question.principal, key):
            return str(known["query"])
        condensed = await self._condense(self._model, question, draft)
        if condensed is None:
            return plain
        async with self._database.tenant_tx(question.principal) as connection:
            await store.cache(connection, question.principal.user_id, key, {"query": condensed})
        return condensed

    async def _condense(self, model: LanguageModel, question: Question, draft: Draft) -> str | None:
        """One short call; without a usable answer in time the question is searched with the one before it."""
        said: list[str] = []
        messages = prompt.condense_prompt(question.text, question.history)
        try:
            async with asyncio.timeout(_CONDENSE_LIMIT_S):
                pieces = model.stream(
                    messages, max_tokens=prompt.CONDENSED_TOKENS, temperature=0, prompt=prompt.CONDENSE
                )
                async for piece in pieces:
                    if isinstance(piece, TextDelta):
                        said.append(piece.text)
                    else:
                        draft.usage += piece.usage
        except (ModelError, TimeoutError):
            log.warning("a follow-up could not be condensed; searching with the question before it", exc_info=True)
            return None
        return "".join(said).strip()[:1000] or None

    async def _recall(self, principal: Principal, key: bytes) -> dict[str, object] | None:
        async with self._database.tenant_tx(principal) as connection:
            return await store.cached(connection, principal.user_id, key)

    def _key(self, purpose: str, question: Question, passages: list[str]) -> bytes:
        assert self._model is not None
        parts = [
            purpose,
            prompt.PROMPT_VERSION,
            self._model.provider,
            self._model.name,
            followup.normalised(question.text),
            [(turn.role, turn.content) for turn in relevant_history(question)],
            sorted(passages),
        ]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).digest()


def relevant_history(question: Question) -> Sequence[Turn]:
    """The history that makes this question a different one.

    Asking the same again is a repeat and not a follow-up: what counts is what stood before the first time. Only a question that leans on a history
    it already had then may mean something else now.
    """
    asked = followup.normalised(question.text)
    for position, turn in enumerate(question.history):
        if turn.role == "user" and followup.normalised(turn.content) == asked:
            return question.history if question.leaning and position else question.history[:position]
    return question.history
