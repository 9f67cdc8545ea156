"""Asking a service whether it is there."""

from __future__ import annotations

import asyncio


async def status_of(host: str, port: int, path: str, timeout_s: float = 2.0) -> int:
    """The HTTP status of a GET, or 0 when nothing answers."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n".encode())
                await writer.drain()
                words = (await reader.readline()).split()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return 0
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
