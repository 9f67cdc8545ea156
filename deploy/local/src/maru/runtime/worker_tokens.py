"""The tokens of this machine's own workers: made when there is none that is valid, and kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from maru.runtime.secrets import keep

if TYPE_CHECKING:
    from api.workers.service import WorkerTokenService

_DAYS = 3650


class KeptTokens:
    """One token for each worker, in files that their owner alone may read."""

    def __init__(self, service: WorkerTokenService, folder: Path) -> None:
        self._service = service
        self._folder = folder

    async def of(self, number: int) -> str:
        """The token of worker `number`; another one when what is kept is not, or no longer, valid."""
        from api.workers.schemas import NewWorkerToken

        path = self._folder / f"worker_token_{number}"
        try:
            kept = path.read_text().strip()
        except (OSError, ValueError):
            kept = ""
        if await self._service.is_valid(kept):
            return kept
        new = NewWorkerToken(name=f"this machine, worker {number}", expires_in_days=_DAYS)
        made = await self._service.create(new, None)
        keep(path, made.token)
        return made.token

    async def is_valid(self, token: str) -> bool:
        """Whether a worker could work with it now."""
        return await self._service.is_valid(token)
