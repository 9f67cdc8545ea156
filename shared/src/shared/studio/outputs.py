"""Which files workers may bring, and whether the first bytes fit; pure."""

from __future__ import annotations

from shared.storage.media import family, looks_like, media_type

# Beyond what people upload: what models and programs make. None: nothing can be said of the first bytes.
_MORE: dict[str, frozenset[str] | None] = {
    "application/octet-stream": None,
    "application/json": frozenset({"text"}),
    "application/x-ndjson": frozenset({"text"}),
    "application/yaml": frozenset({"text"}),
    "text/csv": frozenset({"text"}),
    "application/zip": frozenset({"zip"}),
    "application/gzip": frozenset({"gzip"}),
    "image/tiff": None,
    "video/mp4": frozenset({"mp4"}),
    "video/quicktime": frozenset({"mp4"}),
    "video/webm": frozenset({"webm"}),
    "video/x-matroska": frozenset({"webm"}),
}


def output_type(content_type: str) -> str | None:
    """The name under which a type is stored, or None when it is not taken."""
    name = content_type.partition(";")[0].strip().lower()
    if name in _MORE:
        return name
    known = media_type(name) if name else None
    return known.name if known else None


def plausible(content_type: str, head: bytes) -> bool:
    """Whether the first bytes can be the start of a file of this type (as `output_type` names it)."""
    if content_type in _MORE:
        families = _MORE[content_type]
        return families is None or family(head) in families
    known = media_type(content_type)
    return known is not None and looks_like(known, head)
