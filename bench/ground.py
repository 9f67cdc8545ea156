"""What services under measurement stand on: a migrated Postgres of the run's own, keys, a home."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from maru.postgres import EmbeddedPostgres
from maru.postgres.server import DATABASE
from migrations import upgrade
from shared.testing.identity import auth_environment, public_key_pem
from shared.testing.postgres import RoleUrls, SharedPostgres, run_name


@dataclass(frozen=True)
class Ground:
    """Database addresses by role and the variables each service is started with."""

    urls: RoleUrls
    home: str

    def variables(self, service: str) -> dict[str, str]:
        """The environment of one service that is started alone."""
        return {
            "DATABASE_URL": {"api": self.urls.api, "ingest": self.urls.ingest, "inference": self.urls.inference}[
                service
            ],
            "MARU_HOME": f"{self.home}/{service}",
            "PUSH_AUTH_MODE": "local",
            "MARU_CALLBACK_PUBLIC_KEY": public_key_pem(),
            "MARU_FILES_KEY": "a key for files on the bench",
            "MARU_RATE_LIMITS": "off",
            "MARU_LOG_LEVEL": "WARNING",
            **auth_environment(),
        }


@contextmanager
def ground() -> Generator[Ground]:
    """A database with the product's schema, gone at the end."""
    server = SharedPostgres(run_name())
    server.open()
    try:
        with server.database() as urls, tempfile.TemporaryDirectory(prefix="maru-bench-") as home:
            yield Ground(urls, home)
    finally:
        server.close()


@contextmanager
def durable_ground() -> Generator[Ground]:
    """The same on a server that waits for the disk, as the product's own does."""
    with tempfile.TemporaryDirectory(prefix="maru-bench-") as home:
        server = EmbeddedPostgres(Path(home) / "postgres")
        server.start()
        try:
            upgrade(server.dsn())
            roles = {role: server.dsn(f"maru_{role}") for role in ("api", "ingest", "inference")}
            yield Ground(RoleUrls(superuser=server.dsn(), name=DATABASE, **roles), home)
        finally:
            server.stop()
