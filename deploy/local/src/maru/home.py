"""The folder that holds everything of one Maru: its places, its lock, and whether it can be used at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from maru.errors import CannotStart

# sun_path holds 108 bytes with its end mark; the longest name put into the folder is Postgres's.
_SOCKET_PATH_LIMIT = 107
RESTORING = "restoring"
_LONGEST_SOCKET_NAME = "/.s.PGSQL.5432.lock"


class Home:
    """One `MARU_HOME`. Everything in it belongs to one user and is closed to all others."""

    def __init__(self, folder: Path, room_needed_mib: int = 200) -> None:
        self._room_needed_mib = room_needed_mib
        self.folder = folder.resolve()
        self.logs = self.folder / "logs"
        self.secrets = self.folder / "secrets"
        self.service_env = self.folder / "service.env"
        self._lock: int | None = None

    def prepare(self, *, restoring: bool = False) -> None:
        """Make the folders, and say what is wrong with the place before anything is written to it."""
        if (self.folder / RESTORING).exists() and not restoring:
            raise CannotStart(
                f"A restore into {self.folder} was interrupted: run the same `maru restore` again, or remove {self.folder / RESTORING}."
            )
        for folder in (self.folder, self.logs, self.secrets, socket_folder(self.folder)):
            make_private(folder)
        probe = self.folder / ".writable"
        try:
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
        except OSError as problem:
            raise CannotStart(_not_writable(self.folder, problem)) from None
        free_mib = shutil.disk_usage(self.folder).free // 2**20
        if free_mib < self._room_needed_mib:
            raise CannotStart(
                f"The disk of {self.folder} has {free_mib} MiB left and Maru needs {self._room_needed_mib}: "
                "free some space, or set MARU_HOME to another disk."
            )

    def lock(self) -> None:
        """Be the only `maru up` of this home until the process ends, however it ends."""
        descriptor = os.open(self.folder / "maru.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise CannotStart(
                f"Maru already runs on {self.folder} (process {owner}): use that one, stop it, or set MARU_HOME to another folder."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._lock = descriptor

    def unlock(self) -> None:
        """Let another `maru up` have it."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def owner(self) -> int | None:
        """The process that runs on this home, if one does."""
        try:
            descriptor = os.open(self.folder / "maru.lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            return int(text) if text.isdigit() else None
        finally:
            os.close(descriptor)
        return None

    @property
    def vector_socket(self) -> Path:
        """Where the process that owns the vectors lets others of this machine use them."""
        return socket_folder(self.folder) / "vectors.sock"


def socket_folder(home: Path) -> Path:
    """`run` in the home or, where that path is too long for a socket, a private folder with a short one."""
    inside = home / "run"
    if len(str(inside).encode()) + len(_LONGEST_SOCKET_NAME) <= _SOCKET_PATH_LIMIT:
        return inside
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    if len(str(base).encode()) > 50 or not base.is_dir():
        base = Path("/tmp")  # noqa: S108 - the folder made in it is checked to be ours and closed to others
    name = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    return base / f"maru-{os.geteuid()}-{name}"


def make_private(folder: Path) -> None:
    """Make `folder` so that only we may enter it; one that belongs to somebody else, or is a link, is refused."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.lstat().st_uid != os.geteuid() or folder.is_symlink():
            raise CannotStart(
                f"The folder {folder} belongs to another user: remove it, or set MARU_HOME to a folder of your own."
            )
        folder.chmod(0o700)
    except OSError as problem:
        raise CannotStart(_not_writable(folder, problem)) from None


def _not_writable(folder: Path, problem: OSError) -> str:
    return f"The folder {folder} cannot be written ({(problem.strerror or 'unknown').lower()}): free it up, or set MARU_HOME to a folder of your own."
