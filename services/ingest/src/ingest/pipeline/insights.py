"""Step five: summary, topics, emotions, people and dates; by a model where one is configured, extracted otherwise."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from shared.llm.errors import ModelOutputInvalid, ModelRefused, ModelRequestRejected
from shared.vectors.port import PayloadChange

from ingest.pipeline import insights_store, understanding
from ingest.pipeline.work import Ending, Labels

if TYPE_CHECKING:
    from shared.db import Connection
    from shared.extractive import OfflineInsights
    from shared.llm import LanguageModel, Usage

    from ingest.pipeline.parse import Text
    from ingest.pipeline.progress import Progress
    from ingest.pipeline.work import Work
    from ingest.ports import Ports

_EXTRACTIVE_MODEL = "extractive-1"
_QUICK = 2_000
_INLINE = 400


@dataclass(frozen=True, slots=True)
class Understood:
    """Insights with who made them; `usage` when a model was asked."""

    provider: str
    model: str
    fields: dict[str, Any]
    usage: Usage | None = None


def is_quick(ports: Ports, work: Work, text: Text) -> bool:
    """Whether understanding takes no longer than another transaction would."""
    return ports.models.language is None and not work.files and 0 < len(text.body.strip()) < _QUICK


async def run(ports: Ports, work: Work, text: Text, progress: Progress) -> None:
    """Understand the text, store that under the person's corrections, let search filter by it; the entry is then ready."""
    if not text.body.strip():
        async with progress.saving(("insights", "skipped"), ending=Ending("ready")) as (connection, _):
            await insights_store.remove(connection, progress.claim)
        return
    if ports.models.language is not None:
        await progress.begin("insights")
    understood = await understand(ports, work, text)
    async with progress.saving(("insights", "done"), ending=Ending("ready")) as (connection, _):
        labels = await save(connection, work, understood)
        if labels != Labels(work.topics, work.emotions):
            change = PayloadChange(topics=labels.topics, emotions=labels.emotions)
            await ports.vectors.set_payload(work.claim.entry_id, change)


async def save(connection: Connection, work: Work, understood: Understood) -> Labels:
    """Store insights and what they cost; the answer is what search filters by, corrections included."""
    shown = await insights_store.save(connection, work.claim, understood.provider, understood.model, understood.fields)
    if understood.usage is not None:
        await insights_store.record_usage(connection, work.claim, work.author_id, understood)
    return Labels(list(shown["topics"]), [emotion["label"] for emotion in shown["emotions"]])


async def understand(ports: Ports, work: Work, text: Text) -> Understood:
    """Insights of a text. A model that will not or cannot say something about this text is replaced by extraction, labelled so."""
    model = ports.models.language
    if model is None:
        return await _extracted(ports, work, text)
    try:
        return await _asked(model, work, text)
    except (ModelRefused, ModelRequestRejected, ModelOutputInvalid):
        return await _extracted(ports, work, text)


async def _asked(model: LanguageModel, work: Work, text: Text) -> Understood:
    messages = understanding.prompt(text.body, text.title, text.occurred_at, work.known_people)
    answer, usage = await model.structured(messages, understanding.Understanding, prompt=understanding.PROMPT)
    return Understood(model.provider, model.name, understanding.tidied(answer), usage)


async def _extracted(ports: Ports, work: Work, text: Text) -> Understood:
    from shared.extractive import PROVIDER, insights

    def extract() -> OfflineInsights:
        return insights(
            text.body, occurred_at=text.occurred_at, known_people=work.known_people, morphology=ports.morphology
        )

    # A few lines take half a millisecond, as long as going to another thread and back.
    found = extract() if len(text.body) < _INLINE else await asyncio.to_thread(extract)
    fields = asdict(found)
    return Understood(PROVIDER, _EXTRACTIVE_MODEL, fields)
