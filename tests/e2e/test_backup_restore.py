"""A backup that is taken while people write, and what becomes of it when everything else is gone."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from maru.postgres import EmbeddedPostgres, strays
from maru.runtime.secrets import LocalSecrets
from shared.testing.waiting import eventually_sync

pytestmark = pytest.mark.serial

PASSWORD = "a long enough phrase for tests"
NewProduct = Callable[..., Any]


class Household:
    """One person who writes without a pause, and remembers what was acknowledged."""

    def __init__(self, url: str) -> None:
        self.credentials = {"email": f"{uuid4().hex[:10]}@maru.example", "password": PASSWORD}
        self.client = httpx.Client(base_url=url, timeout=300, trust_env=False)
        token = self.client.post("/auth/v1/signup", json=self.credentials).json()["access_token"]
        self.client.headers["authorization"] = f"Bearer {token}"
        self.words: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Household:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._stop.is_set():
            word = f"zelkova{uuid4().hex[:12]}"
            answer = self.client.post("/api/v1/entries", json={"kind": "note", "body": f"느티나무 {word} 아래에서."})
            assert answer.status_code == 201, answer.text
            self.words[answer.json()["id"]] = word

    def upload(self, data: bytes) -> str:
        wish = {"filename": "편지.txt", "content_type": "text/plain", "size": len(data)}
        ticket = self.client.post("/api/v1/uploads", json=wish).json()
        put = httpx.put(ticket["url"], content=data, headers=ticket["headers"], trust_env=False)
        assert put.is_success, put.text
        assert self.client.post(f"/api/v1/uploads/{ticket['id']}/complete").is_success
        return str(ticket["id"])


def test_everything_acknowledged_before_a_backup_is_there_and_found_after_a_restore(new_product: NewProduct) -> None:
    first = new_product("first").start()
    backup = first.home.parent / "backup"
    letter = "할머니의 편지\n".encode() * 1000
    with Household(first.api_url) as person:
        upload = person.upload(letter)
        eventually_sync(lambda: len(person.words) >= 20)
        acknowledged = dict(person.words)
        taken = first.command("backup", str(backup), timeout=120)
        assert taken.returncode == 0, taken.stderr
        assert "keep it as closed as a password" in taken.stderr
    first.kill()
    server = EmbeddedPostgres(first.home)
    strays.stop(server.data, server.cluster)
    shutil.rmtree(first.home)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (backup / "secrets").iterdir()} == {0o600}

    second = new_product("second", ports=first.ports)
    restored = second.command("restore", str(backup), timeout=120)
    assert restored.returncode == 0, restored.stderr
    second.start()
    client = person.client  # with the token of before: the keys are the same

    def understood() -> bool:
        states = [client.get(f"/api/v1/entries/{entry}").json()["status"] for entry in acknowledged]
        return set(states) == {"ready"}

    eventually_sync(understood, within=90)
    found = client.get(f"/api/v1/uploads/{upload}/content", follow_redirects=True)
    assert found.content == letter
    for entry, word in acknowledged.items():
        eventually_sync(lambda e=entry, w=word: e in hits(client, w), within=60)  # type: ignore[misc]
    assert "WRONG" not in second.command("doctor").stdout


def hits(client: httpx.Client, word: str) -> list[str]:
    found = client.post("/api/v1/search", json={"query": word}).json()["hits"]
    return [hit["entry_id"] for hit in found]


@pytest.fixture(scope="module")
def small(product_type: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A home that does not run, and a backup of it."""
    product = product_type(tmp_path_factory.mktemp("small") / "home")
    made = product.command("admin", "create", "first@maru.example", "--password-stdin", stdin=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    LocalSecrets.load(product.home / "secrets")
    backup = product.home.parent / "backup"
    taken = product.command("backup", str(backup))
    assert taken.returncode == 0, taken.stderr
    return product, backup


def refused(product: Any, *arguments: str, **options: Any) -> str:
    done = product.command(*arguments, **options)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "maru: " in done.stderr
    return str(done.stderr)


def test_a_backup_is_taken_and_checked_where_nothing_runs(small: tuple[Any, Path], new_product: NewProduct) -> None:
    product, backup = small
    whole = product.command("restore", "--check", str(backup))
    assert whole.returncode == 0, whole.stderr
    assert "is whole" in whole.stdout
    other = new_product()
    assert other.command("restore", str(backup)).returncode == 0
    assert "first@maru.example" in other.command("admin", "create", "first@maru.example").stdout


def test_a_changed_byte_is_found_and_nothing_is_made_of_the_backup(
    small: tuple[Any, Path], tmp_path: Path, new_product: NewProduct
) -> None:
    _, backup = small
    for name in ("database.dump", "secrets/session_key", "SHA256SUMS"):
        copy = tmp_path / name.replace("/", "-")
        shutil.copytree(backup, copy)
        data = bytearray((copy / name).read_bytes())
        data[len(data) // 2] ^= 1
        (copy / name).write_bytes(data)
        product = new_product(f"home-{copy.name}")
        assert name in refused(product, "restore", str(copy))
        assert not (product.home / "pg").exists()


def test_what_is_no_finished_backup_of_ours_is_refused(
    small: tuple[Any, Path], tmp_path: Path, new_product: NewProduct
) -> None:
    _, backup = small
    product = new_product()
    newer = tmp_path / "newer"
    shutil.copytree(backup, newer)
    text = (newer / "manifest.json").read_text()
    (newer / "manifest.json").write_text(text.replace('"schema": "', '"schema": "9'))
    unfinished = tmp_path / "x.unfinished"
    shutil.copytree(backup, unfinished)
    assert "newer Maru" in refused(product, "restore", str(newer))
    assert "was interrupted" in refused(product, "restore", str(unfinished))
    assert "is no backup" in refused(product, "restore", str(tmp_path))
    assert not (product.home / "pg").exists()


def test_a_home_that_holds_something_is_not_written_over(small: tuple[Any, Path]) -> None:
    product, backup = small
    assert "holds a Maru already" in refused(product, "restore", str(backup))
    assert "exists already" in refused(product, "backup", str(backup))
    assert "lies inside" in refused(product, "backup", str(product.home / "files" / "x"))
    assert "does not exist" in refused(product, "backup", "/nowhere/at/all")


def test_engines_that_lie_elsewhere_are_backed_up_there(tmp_path: Path, new_product: NewProduct) -> None:
    product = new_product(env={"DATABASE_URL": "postgresql://u@db/maru"})
    assert "DATABASE_URL is set" in refused(product, "backup", str(tmp_path / "b"))


def test_an_interrupted_backup_has_no_name_and_does_not_stand_in_the_way(small: tuple[Any, Path]) -> None:
    product, _ = small
    target = product.home.parent / "interrupted"
    unfinished = target.with_name("interrupted.unfinished")
    running = subprocess.Popen([sys.executable, "-m", "maru", "backup", str(target)], env=product.variables)
    eventually_sync(unfinished.exists, within=30, every=0.001)
    running.kill()
    running.wait()
    assert not target.exists()
    assert "was interrupted" in refused(product, "restore", str(unfinished))
    taken = product.command("backup", str(target))
    assert taken.returncode == 0, taken.stderr
    assert not unfinished.exists()


@pytest.mark.parametrize("part", ["restoring", "restoring/pg", "restoring/complete", "pg"])
def test_an_interrupted_restore_is_no_installation_and_is_made_whole_by_the_next(
    part: str, small: tuple[Any, Path], new_product: NewProduct
) -> None:
    _, backup = small
    product = new_product()
    running = subprocess.Popen([sys.executable, "-m", "maru", "restore", str(backup)], env=product.variables)
    eventually_sync((product.home / part).exists, within=60, every=0.0005)
    running.kill()
    running.wait()
    if (product.home / "restoring").exists():
        assert "was interrupted" in refused(product, "admin", "create", "first@maru.example")
        again = product.command("restore", str(backup))
        assert again.returncode == 0, again.stderr
    done = product.command("admin", "create", "first@maru.example")
    assert done.returncode == 0, done.stderr
