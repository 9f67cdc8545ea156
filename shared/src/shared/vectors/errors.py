"""What can go wrong with a vector index."""

from shared.errors import Unavailable


class VectorsUnavailable(Unavailable):
    """The index cannot be reached or opened."""

    code = "vectors_unavailable"
    title = "Search is not available right now"


class VectorsInUse(VectorsUnavailable):
    """Another process owns the folder; the engine allows one."""

    code = "vectors_in_use"


class KeyInTheOpen(ValueError):
    """The settings would send a key in the clear to somebody else's network."""


class DenseVectorMisfit(ValueError):
    """A point lacks its dense vector, has one of another length, or has one where the index takes none."""
