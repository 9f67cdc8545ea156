"""The images of this repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "maru-"


@dataclass(frozen=True, slots=True)
class Image:
    """One image: its Dockerfile, the lock its packages come from, our packages in it, and the path that says it is well (none: it serves nothing)."""

    name: str
    dockerfile: str
    ours: frozenset[str]
    health: str | None = None

    @property
    def tag(self) -> str:
        """Its name in a registry, without the registry."""
        return PREFIX + self.name

    @property
    def lock(self) -> Path:
        """What it may hold of other people's."""
        return ROOT / "locks" / f"{self.name}.txt"


IMAGES = {
    image.name: image
    for image in (
        Image("api", "services/api/Dockerfile", frozenset({"api", "shared"}), "/health"),
        Image("ingest", "services/ingest/Dockerfile", frozenset({"ingest", "shared"}), "/health"),
        Image("inference", "services/inference/Dockerfile", frozenset({"inference", "shared"}), "/health"),
        Image("ui", "services/ui/Dockerfile", frozenset({"ui", "shared"}), "/_stcore/health"),
        Image(
            "operator",
            "deploy/local/Dockerfile",
            frozenset({"maru", "migrations", "api", "inference", "ingest", "shared"}),
        ),
        Image("worker", "services/worker/Dockerfile", frozenset({"worker", "shared"})),
    )
}
