"""What is left of something deleted: its vectors and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.storage.keys import incoming_prefix, space_prefix, upload_prefix

if TYPE_CHECKING:
    from ingest.messages import EntryDeleted, SpaceDeleted
    from ingest.ports import Ports


class Forgetting:
    """Each command may be repeated; work still under way cannot bring anything back, since it finds no row to commit to."""

    def __init__(self, ports: Ports) -> None:
        self._vectors = ports.vectors
        self._storage = ports.storage

    async def forget_entry(self, deleted: EntryDeleted) -> None:
        """Remove an entry's points, and its files with everything made of them."""
        await self._vectors.delete_entry(deleted.entry_id)
        for key in deleted.object_keys:
            await self._storage.delete_prefix(upload_prefix(key))

    async def forget_space(self, deleted: SpaceDeleted) -> None:
        """Remove every point and file of a space."""
        await self._vectors.delete_space(deleted.space_id)
        await self._storage.delete_prefix(space_prefix(deleted.space_id))
        await self._storage.delete_prefix(incoming_prefix(deleted.space_id))
