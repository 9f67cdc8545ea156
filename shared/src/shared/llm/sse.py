"""Reads server-sent events by their `data:` lines, which is all that chat completions use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from shared.llm.errors import ModelCutOff, ModelOutputInvalid, ModelTimedOut, ModelUnavailable

if TYPE_CHECKING:
    from shared.llm.openai_connection import Timeouts

_LONGEST_LINE = 4 * 1024 * 1024


class StreamWire:
    """The bytes of one streamed answer under its time limits; `begun` is set by the reader when the first piece of text has arrived."""

    def __init__(self, source: AsyncIterator[bytes], timeouts: Timeouts) -> None:
        self._source = source
        self._timeouts = timeouts
        self._deadline = asyncio.get_running_loop().time() + timeouts.total
        self.begun = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """What the network delivers. A dead connection is "away" before the first piece and "cut off" after it."""
        import httpx2
        import openai

        while True:
            try:
                async with asyncio.timeout(self._patience()):
                    chunk = await anext(self._source)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise ModelTimedOut from error
            except (openai.APIError, httpx2.HTTPError, httpx2.StreamError) as error:
                raise (ModelCutOff if self.begun else ModelUnavailable) from error
            yield chunk

    def _patience(self) -> float:
        left = self._deadline - asyncio.get_running_loop().time()
        return max(0.0, min(left, self._timeouts.between_tokens if self.begun else self._timeouts.first_token))


async def data_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The value of each `data:` line.

    Split at line feeds only: text may hold U+2028 and its like, which Python's own line splitting would take for line ends.
    """
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise ModelOutputInvalid
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip().decode("utf-8", "replace")
