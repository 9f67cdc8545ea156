"""Ingest answers before it has loaded any client of the cloud."""

from __future__ import annotations

from pathlib import Path

import httpx
from shared.testing.cold_start import cloud_environment, cold_service


def test_with_everything_configured_it_answers_and_has_loaded_nothing(tmp_path: Path) -> None:
    with cold_service("ingest", cloud_environment(tmp_path), tmp_path) as running:
        assert httpx.get(f"{running.url}/health").json() == {"status": "ok"}
        assert running.heavy_clients() == set()
