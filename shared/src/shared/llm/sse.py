"""Reads server-sent events by their `data:` lines, which is all that chat completions use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from shared.llm.errors import ModelCutOff, ModelOutputInvalid, ModelTimedOut, ModelUnavailable

if TYPE_CHECKING:
    from shared.llm.openai_connection import Timeouts

_LONGEST_LINE = 4 * 1024 * 1024


Pace = Callable[[], float]


class StreamWire:
    """The bytes of one streamed answer under its time limits; `begun` is set by the reader when the first piece of text has arrived.

    Every small packet of a model costs the whole way through the HTTP stack. After the first piece `pace` may ask for a rest of some milliseconds
    after each packet, so that the packets of that time are taken in one go.
    """

    def __init__(self, source: AsyncIterator[bytes], timeouts: Timeouts, pace: Pace | None = None) -> None:
        self._source = source
        self._timeouts = timeouts
        self._pace = pace
        self._deadline = asyncio.get_running_loop().time() + timeouts.total
        self._arrived = asyncio.Event()
        self._bytes = bytearray()
        self._over = False
        self._failure: BaseException | None = None
        self._reading = asyncio.create_task(self._read(), name="model-stream")
        self.begun = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """What the network delivers. A dead connection is "away" before the first piece and "cut off" after it."""
        while True:
            try:
                async with asyncio.timeout(self._patience()):
                    await self._arrived.wait()
            except TimeoutError as error:
                raise ModelTimedOut from error
            self._arrived.clear()
            over, taken = self._over, bytes(self._bytes)
            self._bytes.clear()
            if taken:
                yield taken
            if over and self._failure is not None:
                raise (ModelCutOff if self.begun else ModelUnavailable) from self._failure
            if over:
                return
            if self._over:
                self._arrived.set()

    async def close(self) -> None:
        """Stop reading; the connection is the caller's to close."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                suspended = asyncio.Event()
                mark = loop.call_soon(suspended.set)
                chunk = await anext(self._source)
                mark.cancel()
                self._bytes += chunk
                self._arrived.set()
                # Only after really waiting for the network: what lies ready is taken first.
                if self.begun and self._pace is not None and suspended.is_set() and (rest := self._pace()):
                    await asyncio.sleep(rest)
        except StopAsyncIteration:
            pass
        except Exception as failure:  # noqa: BLE001 - raised to the reader, as what it means at that point
            self._failure = failure
        finally:
            self._over = True
            self._arrived.set()

    def _patience(self) -> float:
        left = self._deadline - asyncio.get_running_loop().time()
        return max(0.0, min(left, self._timeouts.between_tokens if self.begun else self._timeouts.first_token))


async def data_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[str]]:
    """The values of the `data:` lines that arrived together.

    Split at line feeds only: text may hold U+2028 and its like, which Python's own line splitting would take for line ends.
    """
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise ModelOutputInvalid
        if data := [line[5:].strip().decode("utf-8", "replace") for line in lines if line.startswith(b"data:")]:
            yield data
