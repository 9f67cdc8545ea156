"""What an image weighs, and what in it weighs most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.images.catalogue import Image
from deploy.images.engine import Engine

_MB = 1_000_000
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Weight:
    """In bytes: pulled by a host that holds nothing of it, unpacked, and its largest packages."""

    pulled: int
    unpacked: int
    packages: tuple[tuple[str, int], ...]

    def line(self, image: Image) -> str:
        """For a person."""
        largest = ", ".join(f"{name} {size / _MB:.0f}" for name, size in self.packages[:_SHOWN])
        return f"{image.tag:<16} {self.pulled / _MB:>6.0f} MB pulled {self.unpacked / _MB:>6.0f} MB unpacked   of which {largest}"


def weigh(engine: Engine, image: Image) -> Weight:
    """Look at the image that was built last."""
    with engine.root(image) as root:
        packages = sorted(_packages(root), key=lambda one: -one[1])
        return Weight(engine.pushed_bytes(image), tree_bytes(root), tuple(packages))


def tree_bytes(folder: Path) -> int:
    """Of all files below it, counting none through a link."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _packages(root: Path) -> Iterator[tuple[str, int]]:
    """By the folder they are imported from."""
    for site in (root / "opt").glob("*/lib/python3.*/site-packages"):
        for entry in site.iterdir():
            if entry.is_dir() and not entry.name.endswith(".dist-info"):
                yield entry.name, tree_bytes(entry)
