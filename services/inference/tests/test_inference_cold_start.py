"""The dispatcher answers before it has loaded any client of the cloud."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from shared.testing.cold_start import cloud_environment, cold_service
from shared.testing.google_peer import run_google_peer
from shared.testing.http_peer import http_peer
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


def test_google_gets_spans_with_the_token_of_the_account_it_runs_as(tmp_path: Path) -> None:
    with token_peer() as token_url, otlp_peer() as collector:
        env = {
            **cloud_environment(tmp_path),
            "MARU_TRACES": "cloud",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "GOOGLE_APPLICATION_CREDENTIALS": str(service_account(tmp_path, token_url)),
        }
        with cold_service("inference", env, tmp_path) as running:
            httpx.get(f"{running.url}/nothing", headers={"traceparent": SAMPLED})
            eventually_sync(collector.spans, within=60)
        assert collector.headers[0]["authorization"] == "Bearer token-of-the-account"
        assert collector.resource()["gcp.project_id"] == "maru-tests"


def service_account(folder: Path, token_url: str) -> Path:
    """A key file as Google gives it out."""
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    path = folder / "account.json"
    account = {"type": "service_account", "project_id": "maru-tests", "private_key_id": "1", "private_key": private}
    email = "inference@maru-tests.iam.gserviceaccount.com"
    path.write_text(json.dumps({**account, "client_email": email, "client_id": "1", "token_uri": f"{token_url}/token"}))
    return path


@contextmanager
def token_peer() -> Generator[str]:
    """Gives a token to whoever shows a signed assertion."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            granted = (
                asked.get("grant_type") == ["urn:ietf:params:oauth:grant-type:jwt-bearer"] and "assertion" in asked
            )
            body = json.dumps({"access_token": "token-of-the-account", "expires_in": 3600, "token_type": "Bearer"})
            self.send_response(200 if granted else 400)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    with http_peer(Handler, "google-tokens") as url:
        yield url
