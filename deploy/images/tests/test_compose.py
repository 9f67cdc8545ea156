"""The product on one host, as its compose file describes it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
import yaml
from shared.testing.http_peer import http_peer

from deploy.images.catalogue import IMAGES, PREFIX, ROOT

COMPOSE = ROOT / "deploy" / "compose.yaml"
PUBLISHED = {"api", "inference", "storage", "ui"}
_SECRET = "file:///run/secrets/"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(_document()["services"])


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    _make_secrets(folder)
    return folder


def test_it_is_what_compose_understands() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_service_runs_with_as_little_as_it_can(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert not {"privileged", "network_mode", "pid", "cap_add", "devices"} & service.keys(), name
        assert not [one for one in service.get("volumes", []) if one.startswith(("/", "."))], (
            f"{name} is shown the host"
        )


def test_nobody_is_root_but_the_one_whose_image_knows_no_users(services: dict[str, Any]) -> None:
    root = {name for name, service in services.items() if service.get("user", "10001").split(":")[0] == "0"}
    assert root == {"storage"}
    strangers = {name for name, service in services.items() if not service["image"].startswith(PREFIX)}
    assert all("user" in services[name] for name in strangers)


def test_images_are_ours_or_of_a_named_version(services: dict[str, Any]) -> None:
    for name, service in services.items():
        image = service["image"]
        assert image.removeprefix(PREFIX) in IMAGES or re.fullmatch(r"[\w./-]+:v?\d[\w.-]+", image), name


def test_only_what_browsers_and_workers_call_is_published_and_only_to_this_host(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if service.get("ports")} == PUBLISHED
    for name in PUBLISHED:
        (port,) = services[name]["ports"]
        assert re.match(r"\$\{\w+_BIND:-127\.0\.0\.1\}:\d+:\d+$", port), name
        assert "front" in services[name]["networks"]


def test_what_keeps_data_is_out_of_reach_of_the_internet(services: dict[str, Any]) -> None:
    assert _document()["networks"]["back"] == {"internal": True}
    for name in ("postgres", "vectors", "migrate", "deliver"):
        assert services[name]["networks"] == ["back"], name


def test_a_secret_is_named_by_variable_and_lies_in_a_file(services: dict[str, Any]) -> None:
    for name, service in services.items():
        variables = service.get("environment", {})
        mounted = {one if isinstance(one, str) else one["source"] for one in service.get("secrets", [])}
        for variable, value in variables.items():
            if re.search(r"(PASSWORD|SECRET|TOKEN|SIGNING|SESSION|ACCESS).*|_KEY$|DATABASE_URL$", variable) and value:
                assert _names_a_secret(value, mounted) or value.startswith("${OPENAI"), f"{name}: {variable}"
        needed = {value.removeprefix(_SECRET) for value in variables.values() if str(value).startswith(_SECRET)}
        assert needed <= mounted, name


def test_every_file_it_mounts_is_made_or_is_here(services: dict[str, Any], secrets: Path) -> None:
    document = _document()
    wanted = {Path(one["file"]).name for one in document["secrets"].values()}
    wanted |= {Path(one["path"]).name for service in services.values() for one in service.get("env_file", [])}
    assert wanted <= {path.name for path in secrets.iterdir()}
    for one in document["configs"].values():
        assert (COMPOSE.parent / one["file"]).is_file()
    used = {one if isinstance(one, str) else one["source"] for s in services.values() for one in s.get("secrets", [])}
    assert used == document["secrets"].keys()


def test_services_start_when_what_they_need_is_well(services: dict[str, Any]) -> None:
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("api", "ingest", "inference"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            once = services[needed]["restart"].startswith("on-failure")
            assert how["condition"] == ("service_completed_successfully" if once else "service_healthy"), name
            assert once or "healthcheck" in services[needed], f"{name} waits for {needed}, which nobody asks how it is"


def test_variables_that_a_person_may_set_are_listed_with_their_defaults() -> None:
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE.read_text()))
    listed = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "deploy/compose/env.example").read_text(), re.MULTILINE))
    assert listed == used


def test_secrets_are_made_once_and_fit_what_reads_them(secrets: Path) -> None:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives import serialization

    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    _make_secrets(secrets)
    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before, "what is there stays"
    assert secrets.stat().st_mode & 0o077 == 0
    assert len(set(before.values())) == len(before), "no two are alike"
    Fernet(before["session_key"].strip())
    for name in ("auth", "callback"):
        serialization.load_pem_private_key(before[f"{name}_signing_key"], None)
    public = serialization.load_pem_public_key(before["callback_public_key"])
    own = serialization.load_pem_private_key(before["callback_signing_key"], None).public_key()
    assert public == own
    for role in ("owner", "api", "ingest", "inference", "deliverer"):
        url = urlsplit(before[f"{role}_database_url"].decode().strip())
        assert (url.username, url.password) == (f"maru_{role}", before[f"{role}_password"].decode().strip())
    assert yaml.safe_load(before["qdrant.yaml"]) == {"service": {"api_key": before["qdrant_api_key"].decode().strip()}}


def test_a_lost_secret_is_made_again_and_the_others_stay(secrets: Path) -> None:
    before = (secrets / "api_password").read_text()
    (secrets / "session_key").unlink()
    _make_secrets(secrets)
    assert (secrets / "session_key").read_text().strip()
    assert (secrets / "api_password").read_text() == before


def test_the_bucket_is_told_which_pages_may_use_it(bucket: tuple[str, list[tuple[str, bytes]]]) -> None:
    url, asked = bucket
    done = _say_rules(url)
    assert done.returncode == 0, done.stderr
    cors, lifecycle = (ET.fromstring(body) for _, body in asked)
    assert [path for path, _ in asked] == ["/maru?cors", "/maru?lifecycle"]
    assert [one.text for one in cors.iter() if one.tag.endswith("AllowedOrigin")] == ["https://maru.example"]
    assert {one.text for one in cors.iter() if one.tag.endswith("AllowedMethod")} == {"GET", "HEAD", "PUT"}
    assert "2" in [one.text for one in lifecycle.iter() if one.tag.endswith("DaysAfterInitiation")]
    assert "incoming/" in [one.text for one in lifecycle.iter() if one.tag.endswith("Prefix")]


def test_a_bucket_that_is_away_fails_the_start_in_a_sentence() -> None:
    done = _say_rules("http://127.0.0.1:9")
    assert done.returncode == 1
    assert "bucket rules: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def bucket() -> Generator[tuple[str, list[tuple[str, bytes]]]]:
    asked: list[tuple[str, bytes]] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                asked.append((self.path, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http_peer(Handler, "bucket") as url:
        yield url, asked


def _say_rules(endpoint: str) -> subprocess.CompletedProcess[str]:
    env = {
        "R2_ENDPOINT": endpoint,
        "R2_BUCKET": "maru",
        "R2_ACCESS_KEY": "GKkey",
        "R2_SECRET_KEY": "secret",
        "CORS_ORIGINS": "https://maru.example",
        "AWS_MAX_ATTEMPTS": "1",
    }
    return subprocess.run(
        [sys.executable, ROOT / "deploy/compose/bucket_rules.py"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _make_secrets(folder: Path) -> None:
    subprocess.run([ROOT / "deploy/compose/secrets.sh", folder], check=True, capture_output=True)


def _names_a_secret(value: str, mounted: set[str]) -> bool:
    return value.removeprefix("file://").removeprefix("/run/secrets/") in mounted and "/run/secrets/" in value


def _document() -> Any:
    return json.loads(json.dumps(yaml.safe_load(COMPOSE.read_text())))
