"""Each image as a host runs it that gives it as little as it can: its user, a read-only root, `/tmp`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from shared.testing.identity import auth_environment, public_key_pem
from shared.testing.ports import free_ports
from shared.testing.waiting import eventually_sync

from deploy.images.tests.opened import Opened

pytestmark = pytest.mark.images

_PROBE = ["python", "-I", "-S", "/app/probe.py"]


@pytest.fixture
def settings() -> dict[str, str]:
    """What a service is started with whose engines are all away: it has to start all the same."""
    away = f"127.0.0.1:{free_ports(1)[0]}"
    return {
        "PORT": str(free_ports(1)[0]),
        "HOST": "127.0.0.1",
        "DATABASE_URL": f"postgresql://nobody@{away}/maru",
        "QDRANT_URL": f"http://{away}",
        "R2_ENDPOINT": f"http://{away}",
        "R2_ACCESS_KEY": "key",
        "R2_SECRET_KEY": "secret",
        "PUSH_AUTH_MODE": "local",
        "MARU_CALLBACK_PUBLIC_KEY": public_key_pem(),
        "MARU_FILES_KEY": "a key for files of a test",
        **auth_environment(),
    }


def test_a_service_answers_and_ends_when_it_is_asked_to(service: Opened, settings: dict[str, str]) -> None:
    with service.running(settings) as process:
        _await_health(service, settings, process)
        assert service.run([*_PROBE, service.image.health or ""], {"PORT": settings["PORT"]}).returncode == 0
        for pid in _family(process.pid):
            assert _uid(pid) == int(service.config.user.split(":")[0])
            os.kill(pid, signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    assert "Traceback" not in said


def test_the_probe_says_no_where_nobody_answers(service: Opened) -> None:
    assert service.run([*_PROBE, service.image.health or ""], {"PORT": str(free_ports(1)[0])}).returncode == 1


def test_a_service_that_misses_a_setting_says_which(service: Opened) -> None:
    if service.image.name == "ui":
        pytest.skip("every setting of the web app has a default")
    done = service.run(service.config.command, {"PORT": str(free_ports(1)[0])})
    assert done.returncode not in {0, None}
    assert "is not set" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_only_tmp_can_be_written(built: Opened) -> None:
    wrote = built.python(
        "import os\n"
        "found = []\n"
        "for place in ('/', '/app', '/opt/maru', '/usr/local', '/etc', '/var/tmp', '/home', '/tmp'):\n"
        "    try:\n"
        "        open(os.path.join(place, 'written'), 'w').close()\n"
        "        found.append(place)\n"
        "    except OSError:\n"
        "        pass\n"
        "print(os.getuid(), *found)"
    )
    assert wrote == f"{built.config.user.split(':')[0]} /tmp"


def test_ingest_reads_a_document_in_its_sandbox_and_korean_by_its_morphemes(ingest: Opened) -> None:
    said = ingest.python(_READS)
    assert said == "마루에서 나눈 이야기|마루|이야기"


def test_the_operator_s_commands_all_have_what_they_import(operator: Opened) -> None:
    """All but those that run the product on the same machine, or look into its folder."""
    assert (
        operator.run(["python", "-m", "maru", "version"]).stdout.strip()
        == f"maru {operator.config.env['MARU_VERSION']}"
    )
    assert operator.python(_IMPORTS) == "complete"


def test_the_operator_refuses_in_a_sentence_where_no_database_is_named(operator: Opened) -> None:
    done = operator.run(["python", "-m", "maru", "migrate", "status"])
    assert done.returncode == 1
    assert re.match(r"maru: No database is named", done.stderr)


def test_the_worker_says_what_it_needs_and_which_version_it_is(worker: Opened) -> None:
    done = worker.run(worker.config.command)
    assert done.returncode != 0
    assert "MARU_INFERENCE_URL" in done.stderr + done.stdout
    assert worker.python("from worker.version import version; print(version())") == worker.config.env["MARU_VERSION"]


def _await_health(service: Opened, settings: dict[str, str], process: subprocess.Popen[str]) -> None:
    def healthy() -> bool:
        assert process.poll() is None, process.communicate()[0][-3000:]
        try:
            return httpx.get(f"http://127.0.0.1:{settings['PORT']}{service.image.health}").status_code == 200
        except httpx.HTTPError:
            return False

    assert eventually_sync(healthy, within=60)


def _family(pid: int) -> list[int]:
    """The processes in the container: below the one that made its namespaces."""
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [int(child) for child in listed]


def _uid(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


_READS = """
import asyncio, pathlib
from ingest.sandbox import Sandbox
from shared.text.morphology import default_morphology

path = pathlib.Path("/tmp/note.html")
path.write_text("<html><head><title>마루에서 나눈 이야기</title></head><body><p>마루에서 이야기를 나눴다.</p></body></html>")

async def read():
    sandbox = Sandbox()
    try:
        return await sandbox.run("document", path, {"content_type": "text/html"})
    finally:
        await sandbox.close()

read = asyncio.run(read())
nouns = [one.form for one in default_morphology().morphemes(read.blobs[0].decode()) if one.tag == "NNG"]
print(read.facts["title"], *sorted(set(nouns)), sep="|")
"""

# The product on one machine (`up`), its overview and its folder belong to checkouts, not to this image.
_IMPORTS = """
import importlib, pkgutil
import maru

elsewhere = ("maru.__main__", "maru.runtime.apps", "maru.runtime.up", "maru.runtime.web_app", "maru.postgres.wheel")
for found in pkgutil.walk_packages(maru.__path__, "maru."):
    if not found.name.startswith(elsewhere):
        importlib.import_module(found.name)
for needed in (
    "migrations", "alembic.command", "psycopg", "api.auth.admin", "api.workers.service", "argon2", "jwt", "shared.db.database",
    "shared.secret_values", "google.cloud.secretmanager", "inference.fleet.reconcile", "inference.fleet.vast", "ingest.reindex",
):
    importlib.import_module(needed)
print("complete")
"""
