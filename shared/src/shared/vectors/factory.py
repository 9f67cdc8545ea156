"""Which index the settings ask for; the engines are imported by the one that is used."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.vectors.errors import KeyInTheOpen
from shared.vectors.port import DenseSpace, VectorIndex

if TYPE_CHECKING:
    from shared.settings import VectorSettings


def open_vectors(settings: VectorSettings) -> VectorIndex:
    """A server where one is configured, another process of this machine, or a folder; nothing opens before a call."""
    dense = dense_space(settings)
    if settings.url:
        from shared.vectors.qdrant import QdrantIndex

        check_transport(settings.url, with_key=settings.api_key is not None)
        return QdrantIndex(settings.url, api_key=settings.api_key, dense=dense)
    if settings.socket:
        from shared.vectors.remote import RemoteIndex

        return RemoteIndex(settings.socket, dense)
    from shared.vectors.edge import EdgeIndex

    return EdgeIndex(settings.folder, dense)


def check_transport(url: str, *, with_key: bool) -> None:
    """Refuse to send a key in the clear to anywhere but this machine or a private network. Raises `KeyInTheOpen`."""
    parts = urlsplit(url)
    if with_key and parts.scheme != "https" and not _private(parts.hostname or ""):
        raise KeyInTheOpen(
            f"QDRANT_URL is {parts.scheme}://{parts.hostname}: QDRANT_API_KEY would go there in the clear. Use https."
        )


def _private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # A bare name is one of a private network, such as that of containers; these endings are reserved for such.
        return "." not in host or host.endswith((".localhost", ".internal", ".local"))
    return address.is_private or address.is_loopback


def dense_space(settings: VectorSettings) -> DenseSpace | None:
    """The dense space of the configured embedding model, if there is one."""
    if settings.dense_model and settings.dense_dimensions:
        return DenseSpace(settings.dense_model, settings.dense_dimensions)
    return None
