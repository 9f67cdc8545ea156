"""Vector search: one protocol, Qdrant's engine in this process or on a server behind it."""

from shared.text.sparse import SparseVector
from shared.vectors.factory import open_vectors
from shared.vectors.port import (
    UNCHANGED,
    DenseSpace,
    PayloadChange,
    PointPayload,
    VectorFilter,
    VectorHit,
    VectorIndex,
    VectorPoint,
    best_per_entry,
    collection_name,
    point_id,
)

__all__ = [
    "UNCHANGED",
    "DenseSpace",
    "PayloadChange",
    "PointPayload",
    "SparseVector",
    "VectorFilter",
    "VectorHit",
    "VectorIndex",
    "VectorPoint",
    "best_per_entry",
    "collection_name",
    "open_vectors",
    "point_id",
]
