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

    def cloud_variables(self, service: str) -> dict[str, str]:
        """The same, with every variable of the cloud set. Where they point nobody listens: a service starts without asking any of them."""
        away = "127.0.0.1:9"
        return {
            **self.variables(service),
            "GOOGLE_CLOUD_PROJECT": "maru-bench",
            "GOOGLE_CLOUD_REGION": "asia-northeast3",
            "PUBSUB_EMULATOR_HOST": away,
            "CLOUD_TASKS_EMULATOR_HOST": away,
            "PUSH_AUTH_MODE": "iam" if service == "ingest" else "oidc",
            "PUSH_SERVICE_ACCOUNT": "invoker@maru-bench.iam.gserviceaccount.com",
            "PUSH_JWKS_URL": f"http://{away}/certs",
            **{
                f"MARU_{name}_URL": f"https://{name.lower()}.maru.example"
                for name in ("API", "INGEST", "INFERENCE", "UI")
            },
            "QDRANT_URL": f"http://{away}",
            "QDRANT_API_KEY": "a key for the bench",
            "R2_ENDPOINT": f"http://{away}",
            "R2_ACCESS_KEY": "a key for the bench",
            "R2_SECRET_KEY": "a key for the bench",
            "SUPABASE_URL": f"http://{away}",
            "SUPABASE_ANON_KEY": "a key for the bench",
            "SUPABASE_SERVICE_KEY": "a key for the bench",
            "OPENAI_API_KEY": "a key for the bench",
            "OPENAI_BASE_URL": f"http://{away}/v1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{away}",
            "LANGSMITH_API_KEY": "a key for the bench",
            "LANGSMITH_ENDPOINT": f"http://{away}",
            "SENTRY_DSN": f"http://bench@{away}/1",
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
