"""Giving one machine's keys a successor: the new one works from now on, the one before stays valid for what it has signed or sealed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from maru.errors import CannotStart
from maru.runtime.secrets import fernet_key, keep, p256_key, signing_key

_PEM_END = "-----END PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class Kind:
    """One key: where it lies, how one is made, and how long what it signed or sealed is good for. `live`: running services notice by themselves."""

    name: str
    file: str
    make: Callable[[], str]
    grace_s: float
    live: bool
    opens: str

    def split(self, text: str) -> list[str]:
        """The keys of a file, the newest first."""
        if self.file.endswith(".pem"):
            return [part.strip() + f"\n{_PEM_END}\n" for part in text.split(_PEM_END) if part.strip()]
        return [part.strip() for part in text.split(",") if part.strip()]

    def join(self, keys: list[str]) -> str:
        """The file for these keys."""
        return "".join(keys) if self.file.endswith(".pem") else ",".join(keys)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("session", "session_key", fernet_key, 31 * 86400, True, "browser sessions"),
        Kind("files", "files_key", signing_key, 86400, True, "addresses of files, and links to results"),
        Kind("auth", "auth_signing_key.pem", p256_key, 2 * 3600, True, "access tokens"),
        # Both of its sides are in one process: nothing signed with the one before is about after a restart.
        Kind("callback", "callback_key.pem", p256_key, 0, False, "calls of the deliverer"),
    )
}


@dataclass(frozen=True, slots=True)
class Held:
    """How many keys there are of a kind, and since when the newest."""

    kind: Kind
    number: int
    age_s: float


def held(folder: Path) -> list[Held]:
    """What there is of each kind."""
    return [
        Held(kind, len(_read(folder, kind)), time.time() - (folder / kind.file).stat().st_mtime)
        for kind in KINDS.values()
    ]


def rotate(folder: Path, name: str) -> Kind:
    """Put a new key first. A key whose grace has not passed yet refuses a third one beside it."""
    kind = _kind(name)
    keys = _read(folder, kind)
    if len(keys) > 1:
        _refuse_early(folder, kind, "is being replaced already")
    kept = keys[:1] if kind.grace_s else []
    keep(folder / kind.file, kind.join([kind.make(), *kept]))
    return kind


def finish(folder: Path, name: str, *, now: bool = False) -> int:
    """Forget all but the newest key, once nothing of the others is about (`now`: also before); how many were forgotten."""
    kind = _kind(name)
    keys = _read(folder, kind)
    if len(keys) > 1 and not now:
        _refuse_early(folder, kind, "cannot be forgotten yet")
    if len(keys) > 1:
        keep(folder / kind.file, kind.join(keys[:1]))
    return len(keys) - 1


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise CannotStart(f"There is no key named {name!r}: use {', '.join(KINDS)}.")
    return KINDS[name]


def _read(folder: Path, kind: Kind) -> list[str]:
    try:
        keys = kind.split((folder / kind.file).read_text())
    except FileNotFoundError:
        keys = []
    except (OSError, ValueError):
        raise CannotStart(f"The key {folder / kind.file} cannot be read: restore it from a backup.") from None
    if not keys:
        raise CannotStart(f"There is no {folder / kind.file} yet: the first start of Maru makes it.")
    return keys


def _refuse_early(folder: Path, kind: Kind, what: str) -> None:
    left_s = kind.grace_s - (time.time() - (folder / kind.file).stat().st_mtime)
    if left_s > 0:
        raise CannotStart(
            f"The key {kind.name} {what}: {kind.opens} made with the one before are good for {_spell(left_s)} more. "
            f"`maru keys finish {kind.name} --now` ends them at once."
        )


def _spell(seconds: float) -> str:
    return f"{seconds / 86400:.1f} days" if seconds > 2 * 86400 else f"{max(1, seconds / 3600):.0f} hours"
