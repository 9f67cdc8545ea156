"""Connections to Google's APIs, or to what stands in for them."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

# An instance may be frozen for minutes between two requests: a connection that died meanwhile is noticed soon, and made anew soon.
OPTIONS = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)


async def load(*modules: str) -> None:
    """Import what takes a third of a second, on another thread: requests go on."""
    await asyncio.to_thread(lambda: [importlib.import_module(module) for module in modules])


async def close(client: Any) -> None:
    """Close a client's connection."""
    await client.transport.close()


async def transport(kind: Any, host: str, stand_in: str | None) -> Any:
    """A transport of class `kind` to `host` with this machine's credentials, or without any to `stand_in`."""
    if stand_in is not None:
        import grpc

        return kind(channel=grpc.aio.insecure_channel(stand_in, options=OPTIONS))
    import google.auth

    # Looking for credentials may ask the metadata server.
    credentials, _ = await asyncio.to_thread(google.auth.default, scopes=kind.AUTH_SCOPES)
    return kind(channel=kind.create_channel(f"{host}:443", credentials=credentials, options=OPTIONS))
