"""Totals as one person sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.insights import store

if TYPE_CHECKING:
    from shared.db import Database, Principal

    from api.insights.schemas import OverviewFilter


@dataclass(frozen=True, slots=True)
class InsightsService:
    """Reads totals."""

    database: Database

    async def overview(self, principal: Principal, wanted: OverviewFilter) -> str:
        """The overview's JSON."""
        async with self.database.tenant_tx(principal) as connection:
            return await store.overview(connection, wanted)
