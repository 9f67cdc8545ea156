"""The real Postgres that comes inside a package, run for one Maru home."""

from maru.postgres.server import EmbeddedPostgres, Tuning

__all__ = ["EmbeddedPostgres", "Tuning"]
