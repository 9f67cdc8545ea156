"""Opens the models that the settings name."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from shared.llm.port import Embedder, LanguageModel, Transcriber, Vision
from shared.telemetry import tracing

if TYPE_CHECKING:
    from typing import Any

    from shared.llm.openai_connection import OpenAiConnection
    from shared.llm.traces import ModelTraceSettings
    from shared.rotation import Secret
    from shared.settings import LlmSettings
    from shared.telemetry.outflow import Outflow


@dataclass(frozen=True, slots=True)
class Models:
    """What is configured; None means that the caller works without."""

    language: LanguageModel | None = None
    embedder: Embedder | None = None
    vision: Vision | None = None
    transcriber: Transcriber | None = None
    connection: OpenAiConnection | None = None
    told: Outflow[Any] | None = None

    async def warm(self) -> None:
        """Load the client library ahead of the first call; nothing is asked."""
        if self.connection is not None:
            await self.connection.warm()

    async def close(self) -> None:
        """Hang up; what is still to be told of calls gets two seconds."""
        if self.connection is not None:
            await self.connection.close()
        if self.told is not None:
            await asyncio.to_thread(self.told.close)


def open_llm(settings: LlmSettings, traces: ModelTraceSettings | None = None) -> Models:
    """The ports for `settings`, all None without a key. Opens nothing: the first call does. With `traces` every call is told there."""
    if not settings.api_key:
        return Models()
    models = _open(settings, settings.api_key)
    return _traced(models, traces) if traces is not None or tracing() else models


def _open(settings: LlmSettings, api_key: Secret) -> Models:
    from shared.llm.openai_chat import OpenAiLanguageModel
    from shared.llm.openai_connection import Endpoint, OpenAiConnection, Timeouts
    from shared.llm.openai_embeddings import OpenAiEmbedder
    from shared.llm.openai_transcription import OpenAiTranscriber
    from shared.llm.openai_vision import OpenAiVision

    patience = settings.timeout_s
    timeouts = Timeouts(first_token=patience, between_tokens=min(20, patience), total=5 * patience, whole_call=patience)
    connection = OpenAiConnection(Endpoint(api_key, settings.base_url, timeouts))
    embedding, length = settings.embedding_model, settings.embedding_dimensions
    return Models(
        language=OpenAiLanguageModel(connection, settings.chat_model),
        embedder=OpenAiEmbedder(connection, embedding, length) if embedding and length else None,
        vision=OpenAiVision(connection, settings.vision_model),
        transcriber=OpenAiTranscriber(connection, settings.transcription_model)
        if settings.transcription_model
        else None,
        connection=connection,
    )


def _traced(models: Models, traces: ModelTraceSettings | None) -> Models:
    from shared.llm.traces.call import Redaction
    from shared.llm.traces.traced import TracedEmbedder, TracedLanguageModel, TracedTranscriber, TracedVision

    told: Outflow[Any] | None = None
    if traces is not None:
        from shared.llm.traces.langsmith import open_langsmith
        from shared.telemetry.outflow import Outflow

        told = Outflow("model-calls", partial(open_langsmith, traces), capacity=500, most_at_once=50)
    shown = str if traces and traces.content else Redaction(_hash_key(traces))
    tell = told.put if told is not None else None
    provider = models.connection.endpoint.provider if models.connection else ""
    return replace(
        models,
        language=models.language and TracedLanguageModel(models.language, tell, shown),
        embedder=models.embedder and TracedEmbedder(models.embedder, provider, tell, shown),
        vision=models.vision and TracedVision(models.vision, provider, tell, shown),
        transcriber=models.transcriber and TracedTranscriber(models.transcriber, provider, tell, shown),
        told=told,
    )


def _hash_key(traces: ModelTraceSettings | None) -> bytes:
    """A key of this process where none is set: hashes then compare within it and nowhere else."""
    return traces.hash_key.encode() if traces and traces.hash_key else secrets.token_bytes(32)
