"""The OpenAI-compatible endpoint of the benchmarks: in a process of its own, or in this one where its calls are counted."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.testing.openai_peer import OpenAiPeer

from bench.processes import ROOT, environment


@dataclass(frozen=True)
class Peer:
    """Where it answers, and the variables that make the product use it (for chat alone)."""

    base_url: str

    @property
    def env(self) -> dict[str, str]:
        """What the product is started with."""
        return {"OPENAI_API_KEY": "sk-peer", "OPENAI_BASE_URL": self.base_url, "MARU_EMBEDDING_MODEL": "none"}


@contextmanager
def peer_process(*arguments: str) -> Generator[Peer]:
    """`python -m shared.testing.openai_peer`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "shared.testing.openai_peer", *arguments],
        env=environment({}),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield Peer(process.stdout.readline().decode().strip())
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def counting_peer() -> Generator[tuple[Peer, OpenAiPeer]]:
    """The peer in a thread, with the requests that it has seen."""
    ready, stop = threading.Event(), asyncio.Event()
    peer = OpenAiPeer()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with peer:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield Peer(peer.base_url), peer
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join()
