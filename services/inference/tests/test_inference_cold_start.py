"""The dispatcher answers before it has loaded any client of the cloud."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from shared.testing.cold_start import cloud_environment, cold_service
from shared.testing.google_peer import run_google_peer
from shared.testing.telemetry_peer import otlp_peer
from shared.testing.waiting import eventually_sync

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_with_everything_configured_it_answers_and_has_loaded_nothing(tmp_path: Path) -> None:
    with cold_service("inference", cloud_environment(tmp_path), tmp_path) as running:
        assert httpx.get(f"{running.url}/health").json() == {"status": "ok"}
        assert running.heavy_clients() == set()


def test_secrets_are_read_from_secret_manager_before_it_answers(tmp_path: Path) -> None:
    with run_google_peer() as google:
        google.secrets.add("maru-tests", "files-key", "a key for files in tests")
        env = {**cloud_environment(tmp_path), **google.env, "MARU_FILES_KEY": "sm://files-key/1"}
        with cold_service("inference", {**env, "R2_ENDPOINT": ""}, tmp_path) as running:
            assert httpx.get(f"{running.url}/health").json() == {"status": "ok"}
        assert google.secrets.accessed == ["projects/maru-tests/secrets/files-key/versions/1"]


def test_a_secret_that_is_not_there_is_the_reason_it_gives(tmp_path: Path) -> None:
    with run_google_peer() as google:
        env = {**cloud_environment(tmp_path), **google.env, "DATABASE_URL": "sm://database-url"}
        said = r"DATABASE_URL names .*database-url.* does not exist"
        with pytest.raises(RuntimeError, match=said), cold_service("inference", env, tmp_path):
            pass


def test_what_waits_is_told_when_it_is_asked_to_stop(tmp_path: Path) -> None:
    with otlp_peer() as collector:
        env = {**cloud_environment(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with cold_service("inference", env, tmp_path) as running:
            assert httpx.get(f"{running.url}/nothing", headers={"traceparent": SAMPLED}).status_code == 404
            # Loaded by the span that waits, so that the end need not wait for it.
            eventually_sync(lambda: "opentelemetry.exporter" in running.heavy_clients())
            assert httpx.get(f"{running.url}/nothing", headers={"traceparent": SAMPLED}).status_code == 404
        assert len(collector.spans()) == 2
        assert not collector.refused
