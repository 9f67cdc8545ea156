"""Search as one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.errors import NotFound
from shared.retrieval import Retriever, SearchFilter

if TYPE_CHECKING:
    from shared.db import Principal
    from shared.retrieval import Passage

    from api.search.schemas import SearchRequest


class SpaceNotFound(NotFound):
    """One of the spaces named is not this person's."""

    code = "space_not_found"
    default_detail = (
        "One of `space_ids` does not exist, or you do not belong to it. Leave `space_ids` out to search all of yours."
    )


@dataclass(frozen=True, slots=True)
class SearchService:
    """Turns a request into passages."""

    retriever: Retriever

    async def search(self, principal: Principal, wanted: SearchRequest) -> dict[str, Any]:
        """The result as JSON values."""
        found = await self.retriever.find(
            principal, wanted.query, _narrowed(wanted), wanted.limit, per_entry=wanted.per_entry
        )
        if not found.space_ids.issuperset(wanted.space_ids or ()):
            raise SpaceNotFound
        return {"hits": [_hit(passage) for passage in found.passages], "degraded": found.degraded}


def _narrowed(wanted: SearchRequest) -> SearchFilter:
    filters = wanted.filters
    if filters is None:
        return SearchFilter(space_ids=tuple(wanted.space_ids or ()))
    return SearchFilter(
        space_ids=tuple(wanted.space_ids or ()),
        kinds=tuple(filters.kind or ()),
        topics=tuple(filters.topics or ()),
        emotions=tuple(filters.emotions or ()),
        person_id=filters.person_id,
        since=filters.since,
        until=filters.until,
    )


def _hit(passage: Passage) -> dict[str, Any]:
    return {
        "entry_id": str(passage.entry_id),
        "chunk_id": str(passage.chunk_id),
        "version": passage.version,
        "space_id": str(passage.space_id),
        "kind": passage.kind,
        "title": passage.title,
        "text": passage.text,
        "start": passage.start,
        "end": passage.end,
        "score": passage.score,
        "occurred_at": passage.occurred_at.isoformat(),
    }
