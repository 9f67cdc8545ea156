"""A service as its container runs it, in a process of its own, and what that process has loaded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from shared.testing.ports import free_ports
from shared.testing.waiting import eventually_sync

_PROGRAM = """
import json, os, runpy, signal, sys
def tell(*_):
    with open(sys.argv[1] + ".new", "w") as file:
        json.dump(sorted(sys.modules), file)
    os.replace(sys.argv[1] + ".new", sys.argv[1])
signal.signal(signal.SIGUSR1, tell)
runpy.run_module(sys.argv[2], run_name="__main__")
"""
# The framework itself loads OpenTelemetry's interface, which is small; what exports is not.
_HEAVY = (
    "boto3",
    "google",
    "grpc",
    "langsmith",
    "openai",
    "opentelemetry.exporter",
    "opentelemetry.sdk",
    "qdrant_client",
    "requests",
    "sentry_sdk",
)


@dataclass(frozen=True)
class ColdService:
    """Where it answers, and what it says."""

    url: str
    log: Path
    modules: Path
    process: subprocess.Popen[bytes]

    def heavy_clients(self) -> set[str]:
        """Which client libraries it has loaded by now."""
        self.modules.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        eventually_sync(self.modules.exists)
        return set(_HEAVY) & set(json.loads(self.modules.read_text()))


@contextmanager
def cold_service(service: str, env: Mapping[str, str], folder: Path) -> Generator[ColdService]:
    """Runs `python -m SERVICE` with these variables and hardly any others; the end of the block is SIGTERM."""
    (port,) = free_ports(1)
    url, log, modules = f"http://127.0.0.1:{port}", folder / f"{service}.log", folder / f"{service}.modules"
    variables = {"PATH": os.environ["PATH"], "PORT": str(port), **env}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(modules), service],
            env=variables,
            cwd=folder,
            stdout=output,
            stderr=output,
        )
        running = ColdService(url, log, modules, process)
        try:
            eventually_sync(lambda: _answers(running), within=60)
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    if process.returncode:
        raise AssertionError(f"the service ended with {process.returncode}: {log.read_text()}")


def _answers(running: ColdService) -> bool:
    if running.process.poll() is not None:
        raise RuntimeError(f"the service ended with {running.process.returncode}: {running.log.read_text()}")
    try:
        return httpx.get(f"{running.url}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def cloud_environment(folder: Path) -> dict[str, str]:
    """Every variable of the cloud path, with addresses at which nobody is."""
    from shared.testing.identity import auth_environment

    nowhere = "127.0.0.1:9"
    return {
        **auth_environment(),
        "DATABASE_URL": f"postgresql://nobody@{nowhere}/nothing",
        "GOOGLE_CLOUD_PROJECT": "maru-tests",
        "GOOGLE_CLOUD_REGION": "asia-northeast3",
        "LANGSMITH_API_KEY": "ls-key",
        "LANGSMITH_ENDPOINT": f"http://{nowhere}",
        "MARU_API_URL": "https://api.maru.example",
        "MARU_FILES_KEY": "a key for files in tests",
        "MARU_HOME": str(folder),
        "MARU_INFERENCE_URL": "https://inference.maru.example",
        "MARU_INGEST_URL": "https://ingest.maru.example",
        "OPENAI_API_KEY": "sk-key",
        "OPENAI_BASE_URL": f"http://{nowhere}/v1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{nowhere}",
        "PUSH_AUTH_MODE": "oidc",
        "PUSH_SERVICE_ACCOUNT": "invoker@maru-tests.iam.gserviceaccount.com",
        "QDRANT_API_KEY": "key",
        "QDRANT_URL": f"http://{nowhere}",
        "R2_ACCESS_KEY": "key",
        "R2_BUCKET": "maru",
        "R2_ENDPOINT": f"http://{nowhere}",
        "R2_SECRET_KEY": "secret",
        "SENTRY_DSN": f"http://key@{nowhere}/1",
        "SUPABASE_ANON_KEY": "anon",
        "SUPABASE_SERVICE_KEY": "service",
        "SUPABASE_URL": f"http://{nowhere}",
    }
