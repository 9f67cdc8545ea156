"""An environment whose variables may name secrets."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from shared.rotation import Rotating
from shared.secret_values.errors import SecretUnreadable
from shared.secret_values.files import read_files
from shared.secret_values.manager import SecretManager
from shared.secret_values.moving import MovingValues
from shared.secret_values.references import FILE, MANAGED, SecretReference, parse_reference

_SECRETS_FRESH_S = 300.0
# Reading a mounted secret may be a call of Secret Manager; below a quarter of a minute nobody rotates.
_FILES_FRESH_S = 15.0


class SecretEnvironment(Mapping[str, str]):
    """Variables with their secrets in place. All that lie in Secret Manager are read when it is made, at the same time; a file when it is asked for.

    A secret that cannot be read fails only whoever asks for its variable.
    """

    def __init__(self, variables: Mapping[str, str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._plain = dict(variables)
        manager = SecretManager(self._plain.get("SECRET_MANAGER_EMULATOR_HOST") or None)
        self._secrets = MovingValues[SecretReference](
            manager.read, lambda reference: not reference.pinned, _SECRETS_FRESH_S, clock
        )
        self._files = MovingValues[Path](read_files, lambda _: True, _FILES_FRESH_S, clock)
        self._malformed: dict[str, SecretUnreadable] = {}
        self._secrets.hold(self._references())

    def __getitem__(self, name: str) -> str:
        source = self._source(name)
        return self._plain[name] if source is None else source.value(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._plain)

    def __len__(self) -> int:
        return len(self._plain)

    def rotating(self, name: str) -> Rotating | None:
        """The value of `name` where it may change while we run; raises `SecretUnreadable` where there is none at all."""
        source = self._source(name) if name in self._plain else None
        if source is None:
            return None
        source.value(name)
        return _RotatingValue(name, source) if source.is_moving(name) else None

    def _source(self, name: str) -> MovingValues[SecretReference] | MovingValues[Path] | None:
        text = self._plain[name]
        if text.startswith(MANAGED):
            if name in self._malformed:
                raise self._malformed[name]
            return self._secrets
        if text.startswith(FILE):
            if not self._files.is_moving(name):
                self._files.hold({name: Path(text.removeprefix("file://"))})
            return self._files
        return None

    def _references(self) -> dict[str, SecretReference]:
        project, found = self._plain.get("GOOGLE_CLOUD_PROJECT", ""), {}
        for name, text in self._plain.items():
            if text.startswith(MANAGED):
                try:
                    found[name] = parse_reference(name, text, project)
                except SecretUnreadable as malformed:
                    self._malformed[name] = malformed
        return found


class _RotatingValue:
    """See `shared.rotation.Rotating`."""

    def __init__(self, name: str, source: MovingValues[SecretReference] | MovingValues[Path]) -> None:
        self.name = name
        self._source = source

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def current(self) -> str:
        """The last good value."""
        return self._source.value(self.name)

    async def renewed(self, refused: str) -> bool:
        """Whether reading it again gives another value."""
        return await self._source.renewed(self.name, refused)


def resolved(env: Mapping[str, str]) -> Mapping[str, str]:
    """`env` with its secrets in place; itself where it names none."""
    if isinstance(env, SecretEnvironment) or not any(text.startswith((MANAGED, FILE)) for text in env.values()):
        return env
    return SecretEnvironment(env)


@lru_cache(maxsize=1)
def process_environment() -> Mapping[str, str]:
    """This process's environment with its secrets in place, read once whoever asks."""
    return resolved(os.environ)
