"""Being asked to end: an answer that goes on for as long as somebody listens must not keep the process from it."""

import asyncio
import signal
import threading
from types import FrameType

ending = asyncio.Event()


def hear_of_the_end() -> None:
    """Set `ending` when the process is asked to end, and let the server do what it does then.

    The server waits for every answer before the lifespan's end, so that is too late to hear of it.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def handle(received: int, frame: FrameType | None, *, before: object = before) -> None:
            loop.call_soon_threadsafe(ending.set)
            if callable(before):
                before(received, frame)

        signal.signal(number, handle)
