"""Which index the settings ask for; the engines are imported by the one that is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.vectors.port import DenseSpace, VectorIndex

if TYPE_CHECKING:
    from shared.settings import VectorSettings


def open_vectors(settings: VectorSettings) -> VectorIndex:
    """A server where one is configured, another process of this machine, or a folder; nothing opens before a call."""
    dense = dense_space(settings)
    if settings.url:
        from shared.vectors.qdrant import QdrantIndex

        return QdrantIndex(settings.url, api_key=settings.api_key, dense=dense)
    if settings.socket:
        from shared.vectors.remote import RemoteIndex

        return RemoteIndex(settings.socket, dense)
    from shared.vectors.edge import EdgeIndex

    return EdgeIndex(settings.folder, dense)


def dense_space(settings: VectorSettings) -> DenseSpace | None:
    """The dense space of the configured embedding model, if there is one."""
    if settings.dense_model and settings.dense_dimensions:
        return DenseSpace(settings.dense_model, settings.dense_dimensions)
    return None
