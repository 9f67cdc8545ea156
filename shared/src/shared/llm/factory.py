"""Opens the models that the settings name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.llm.port import Embedder, LanguageModel, Transcriber, Vision

if TYPE_CHECKING:
    from shared.llm.openai_connection import OpenAiConnection
    from shared.settings import LlmSettings


@dataclass(frozen=True, slots=True)
class Models:
    """What is configured; None means that the caller works without."""

    language: LanguageModel | None = None
    embedder: Embedder | None = None
    vision: Vision | None = None
    transcriber: Transcriber | None = None
    connection: OpenAiConnection | None = None

    async def warm(self) -> None:
        """Load the client library ahead of the first call; nothing is asked."""
        if self.connection is not None:
            await self.connection.warm()

    async def close(self) -> None:
        """Hang up."""
        if self.connection is not None:
            await self.connection.close()


def open_llm(settings: LlmSettings) -> Models:
    """The ports for `settings`, all None without a key. Opens nothing: the first call does."""
    if not settings.api_key:
        return Models()
    from shared.llm.openai_chat import OpenAiLanguageModel
    from shared.llm.openai_connection import Endpoint, OpenAiConnection, Timeouts
    from shared.llm.openai_embeddings import OpenAiEmbedder
    from shared.llm.openai_transcription import OpenAiTranscriber
    from shared.llm.openai_vision import OpenAiVision

    patience = settings.timeout_s
    timeouts = Timeouts(first_token=patience, between_tokens=min(20, patience), total=5 * patience, whole_call=patience)
    connection = OpenAiConnection(Endpoint(settings.api_key, settings.base_url, timeouts))
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
