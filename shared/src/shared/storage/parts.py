"""A large file in parts: how it is cut, which parts are still to come, and how they become one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.storage.errors import PartsMissing
from shared.storage.port import Part

if TYPE_CHECKING:
    from shared.storage.port import ObjectInfo, ObjectStore

_MB = 2**20
# S3's rules, kept by every adapter: each part but the last has so many bytes, and there are at most so many.
SMALLEST_PART = 5 * _MB
MOST_PARTS = 10_000
# What one object may have in one PUT, and in one copy.
LARGEST_OBJECT = 5 * 2**30


@dataclass(frozen=True, slots=True)
class PartPlan:
    """How a file of `size` bytes is cut: parts of `part_size`, numbered from 1, and a last one of what is left (R2 asks for equal parts)."""

    size: int
    part_size: int

    @property
    def count(self) -> int:
        """How many parts there are."""
        return -(-self.size // self.part_size)

    def start_of(self, number: int) -> int:
        """Where in the file a part begins."""
        return (number - 1) * self.part_size

    def size_of(self, number: int) -> int:
        """The bytes of a part."""
        return min(self.part_size, self.size - self.start_of(number))

    def all(self) -> list[Part]:
        """Every part, as it is when it has come."""
        return [Part(number, self.size_of(number), "") for number in range(1, self.count + 1)]

    def missing(self, there: Sequence[Part]) -> list[int]:
        """The numbers of the parts that have not come, or came with another length."""
        sizes = {part.number: part.size for part in there}
        return [number for number in range(1, self.count + 1) if sizes.get(number) != self.size_of(number)]


@dataclass(frozen=True, slots=True)
class PartRules:
    """Files of `from_bytes` and more may come in parts of at least `part_size`."""

    from_bytes: int = 64 * _MB
    part_size: int = 16 * _MB

    def __post_init__(self) -> None:
        if self.part_size < SMALLEST_PART:
            raise ValueError(f"MARU_PART_MB must be at least {SMALLEST_PART // _MB}: stores take no smaller parts.")
        if self.from_bytes <= 0:
            raise ValueError("MARU_MULTIPART_MB must be more than 0.")

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> PartRules:
        """`MARU_MULTIPART_MB` (from which size on) and `MARU_PART_MB` (how large a part is)."""
        usual = cls()
        return cls(
            int(env.get("MARU_MULTIPART_MB") or usual.from_bytes // _MB) * _MB,
            int(env.get("MARU_PART_MB") or usual.part_size // _MB) * _MB,
        )

    def plan(self, size: int) -> PartPlan | None:
        """How a file of this size is cut, or None when it goes in one piece. Parts grow where there would be too many."""
        if size < self.from_bytes or size <= self.part_size:
            return None
        least = -(-size // MOST_PARTS)
        return PartPlan(size, max(self.part_size, -(-least // _MB) * _MB))


async def assemble(store: ObjectStore, key: str, parts_id: str, plan: PartPlan) -> ObjectInfo:
    """Make one object of the parts, as the store lists them: nobody's word is taken for what came.

    Raises `PartsMissing` while some are still to come, and `PartsGone` when neither the parts nor the object are there.
    """
    there = await store.list_parts(key, parts_id)
    missing = plan.missing(there)
    if missing:
        named = ", ".join(map(str, missing[:10])) + (" and more" if len(missing) > 10 else "")
        raise PartsMissing(f"{len(missing)} of {plan.count} parts have not come: {named}. Send them, then complete.")
    return await store.complete_parts(key, parts_id, [part for part in there if part.number <= plan.count])
