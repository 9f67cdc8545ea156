"""Who owns a folder: a lock that the operating system lets go of when its process dies."""

from __future__ import annotations

import os
from pathlib import Path

from shared.vectors.errors import VectorsInUse


class FolderLock:
    """Held from construction to `release`; the folder is made if it is missing."""

    def __init__(self, folder: Path) -> None:
        import fcntl

        folder.mkdir(parents=True, exist_ok=True)
        path = folder.with_name(folder.name + ".owner")
        self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as held:
            owner = os.pread(self._file, 32, 0).decode(errors="replace").strip() or "unknown"
            self.release()
            raise VectorsInUse(
                f"The vector folder {folder} is in use by process {owner}. Stop that process, or set MARU_HOME to "
                "another folder, or use a Qdrant server (QDRANT_URL) for several processes."
            ) from held
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let go; a second call does nothing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
