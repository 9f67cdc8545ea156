"""Transcription by an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.llm.errors import ModelRequestRejected
from shared.llm.openai_connection import OpenAiConnection

if TYPE_CHECKING:
    import openai

_LARGEST = 25 * 1024 * 1024
_LIMIT_S = 300


class OpenAiTranscriber:
    """`Transcriber` on `/audio/transcriptions`."""

    def __init__(self, connection: OpenAiConnection, model: str) -> None:
        self._connection = connection
        self.name = model

    async def transcribe(self, path: Path, content_type: str) -> str:
        """See the port; the endpoint takes 25 MiB at most."""
        size = await asyncio.to_thread(lambda: path.stat().st_size)
        if size > _LARGEST:
            raise ModelRequestRejected("The recording is larger than the 25 MiB that can be transcribed at once.")

        async def ask(client: openai.AsyncOpenAI) -> Any:
            # Opened for each attempt: a retry reads it from the start.
            with path.open("rb") as recording:
                return await client.audio.transcriptions.create(
                    model=self.name, file=(path.name, recording, content_type)
                )

        answer = await self._connection.call(ask, limit_s=_LIMIT_S)
        return str(getattr(answer, "text", answer)).strip()
