"""Postgres's own programs for dumping and restoring, as a client of the server's socket."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from maru.errors import CannotStart
from maru.postgres.wheel import program


def dump(dsn: str, target: Path) -> None:
    """One snapshot of the database, in the format that `pg_restore` reads."""
    # Whoever changes the schema meanwhile would otherwise be waited for without end.
    _run("pg_dump", f"--dbname={dsn}", "--format=custom", "--lock-wait-timeout=60s", f"--file={target}")


def dump_roles(dsn: str, target: Path) -> None:
    """The login roles and what they may become, which belong to the server and not to the database."""
    _run("pg_dumpall", f"--dbname={dsn}", "--roles-only", f"--file={target}")
    # The superuser of the new server is there already.
    lines = target.read_text().splitlines(keepends=True)
    target.write_text(
        "".join(line for line in lines if not line.startswith(("CREATE ROLE postgres;", "ALTER ROLE postgres ")))
    )


def restore(dsn: str, dump_file: Path, roles_file: Path) -> None:
    """Fill an empty server, wholly or not at all."""
    _run(
        "psql",
        f"--dbname={dsn}",
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--single-transaction",
        f"--file={roles_file}",
    )
    _run("pg_restore", f"--dbname={dsn}", "--exit-on-error", "--single-transaction", str(dump_file))


def _run(name: str, *arguments: str) -> None:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    argv = [str(program(name)), *arguments]
    done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 - our own programs
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise CannotStart(f"{name} failed ({done.returncode}): {said[0][:300]}")
