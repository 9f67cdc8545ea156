"""Each member starts from an environment that holds its own declared dependencies and nothing else: that is what its container holds."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from maru.home import Home
from maru.runtime.environment import service_variables
from maru.runtime.secrets import LocalSecrets
from shared.testing.waiting import eventually_sync

ROOT = Path(__file__).resolve().parents[3]
PARTS = {
    "shared": ("shared", []),
    "api": ("services/api", ["shared"]),
    "ingest": ("services/ingest", ["shared"]),
    "inference": ("services/inference", ["shared"]),
    "ui": ("services/ui", ["shared"]),
    "worker": ("services/worker", ["shared"]),
    "migrations": ("deploy/migrations", []),
}
HEALTH = {"api": "/health", "ingest": "/health", "inference": "/health", "ui": "/_stcore/health"}

# `shared` is imported part by part by those that declare the extras; of it alone only what needs none can be.
_IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("__main__") and module.name not in sys.argv[2:]:
        importlib.import_module(module.name)
"""


def environment_of(member: str, folder: Path) -> Path:
    """A fresh environment with what the member's lock names and the members it declares; its interpreter."""
    uv = subprocess.run([ROOT / "deploy/setup/find_uv.sh"], capture_output=True, text=True, check=True).stdout.strip()
    python = folder / "venv" / "bin" / "python"
    folder_of, needs = PARTS[member]
    editable = [argument for part in (folder_of, *needs) for argument in ("-e", str(ROOT / part))]
    quiet = ["--quiet", "--python", str(python)]
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")],
        [uv, "pip", "sync", *quiet, "--require-hashes", str(ROOT / "locks" / f"{member}.txt")],
        [uv, "pip", "install", *quiet, "--no-deps", *editable],
    ):
        subprocess.run(command, check=True, cwd=folder)
    return python


@pytest.mark.parametrize("member", [name for name in PARTS if name not in HEALTH])
def test_a_library_is_imported_whole(member: str, tmp_path: Path) -> None:
    python = environment_of(member, tmp_path)
    modules = ["shared.contracts", "shared.errors", "shared.ids", "shared.settings"] if member == "shared" else [member]
    for module in modules:
        skipped = ["migrations.env"] if module == "migrations" else []
        code = (
            _IMPORT_ALL
            if module in {member, "shared.contracts"}
            else "import importlib, sys; importlib.import_module(sys.argv[1])"
        )
        subprocess.run([python, "-c", code, module, *skipped], check=True, cwd=tmp_path)


@pytest.mark.parametrize("member", list(HEALTH))
def test_a_service_starts_and_every_module_of_it_is_imported(member: str, tmp_path: Path) -> None:
    python = environment_of(member, tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path / "home"
    dsn = "postgresql://nobody@127.0.0.1:1/none"
    secrets = LocalSecrets.load(_made(home / "secrets"))
    variables = service_variables({}, Home(home), secrets, dict.fromkeys(("api", "ingest", "inference"), dsn))
    variables |= {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PORT": str(port), "HOST": "127.0.0.1"}
    subprocess.run(
        [python, "-c", _IMPORT_ALL, member, "ui.script", "ingest.sandbox_child"],
        check=True,
        cwd=tmp_path,
        env=variables,
    )
    process = subprocess.Popen([python, "-m", member], env=variables, cwd=tmp_path)
    try:
        eventually_sync(lambda: _healthy(process, f"http://127.0.0.1:{port}{HEALTH[member]}"), within=60)
    finally:
        process.terminate()
        process.wait(20)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _healthy(process: subprocess.Popen[bytes], url: str) -> bool:
    assert process.poll() is None, "it ended"
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_no_lock_names_an_address_or_a_version_without_its_hash() -> None:
    for lock in sorted((ROOT / "locks").glob("*.txt")):
        text = lock.read_text()
        assert "://" not in text, lock
        for block in text.replace("\\\n", " ").splitlines():
            said = block.strip()
            assert not said or said.startswith("#") or "--hash=sha256:" in said, f"{lock.name}: {block[:60]}"
