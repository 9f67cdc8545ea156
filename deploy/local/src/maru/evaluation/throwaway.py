"""A whole Maru of its own in a temporary folder, so that measuring touches nothing of anybody."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from maru.errors import CannotStart

_START_WITHIN_S = 90
_STOP_WITHIN_S = 20
_OF_SOMEBODY = ("MARU_", "DATABASE_", "QDRANT_", "R2_", "SUPABASE_", "GOOGLE_", "PUSH_", "LANGSMITH_", "OTEL_", "CORS_")
_KEPT_OF_MARU = frozenset(
    {
        "MARU_CHAT_MODEL",
        "MARU_EMBEDDING_MODEL",
        "MARU_EMBEDDING_DIMENSIONS",
        "MARU_VISION_MODEL",
        "MARU_TRANSCRIPTION_MODEL",
        "MARU_LLM_TIMEOUT_S",
        "MARU_LOG_LEVEL",
    }
)


def own_environment(env: Mapping[str, str], folder: str, ports: Sequence[str]) -> dict[str, str]:
    """`env` without what names an engine, an address or a key of somebody's Maru; models and the machine's own settings stay."""
    kept = {
        name: value
        for name, value in env.items()
        if name in _KEPT_OF_MARU
        or not (name.startswith(_OF_SOMEBODY) or name.endswith("DATABASE_URL") or name in {"HOST", "PORT"})
    }
    return kept | {
        "MARU_HOME": folder,
        "MARU_RATE_LIMITS": "off",
        **dict(zip(("MARU_API_PORT", "MARU_INGEST_PORT", "MARU_INFERENCE_PORT", "MARU_UI_PORT"), ports, strict=True)),
    }


@asynccontextmanager
async def throwaway_product(env: Mapping[str, str]) -> AsyncGenerator[str]:
    """Start one, give the address of its api, stop it and remove its folder. Models are those that `env` configures."""
    ports = _free_ports(4)
    with tempfile.TemporaryDirectory(prefix="maru-eval-") as folder:
        own = own_environment(env, folder, ports)
        log = Path(folder) / "eval.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "maru",
                "up",
                "--no-ui",
                "--workers",
                "0",
                env=own,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            url = f"http://127.0.0.1:{ports[0]}"
            await _answer(url, process, log)
            yield url
        finally:
            await _stop(process)


def _free_ports(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [str(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace")[-1000:].strip()


async def _answer(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    import httpx

    async with httpx.AsyncClient(timeout=2) as http:
        for _ in range(_START_WITHIN_S * 5):
            if process.returncode is not None:
                raise CannotStart(f"The Maru to be measured did not start: {_last_words(log)}")
            try:
                if (await http.get(f"{url}/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)
    raise CannotStart(f"The Maru to be measured was not ready after {_START_WITHIN_S} s.")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), _STOP_WITHIN_S)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
