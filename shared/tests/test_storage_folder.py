"""The folder adapter: the port, and what a crash, a full disk or damage leaves."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from shared.settings import SettingMissing, StorageSettings
from shared.storage import BodyDiffers, StorageAway, open_storage
from shared.storage.folder import FolderStore
from shared.storage.s3 import S3Store
from shared.storage.signing import Grant
from shared.testing.storage_suite import CONTENT, ObjectStoreSuite, fresh_key, pieces, whole

SECRET = b"a secret for tests"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "files", "http://127.0.0.1:8000", [SECRET])


def left_over(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


class TestFolderStore(ObjectStoreSuite):
    """The port."""


@pytest.mark.parametrize("body", [CONTENT + b"x", CONTENT[:-1], b""])
async def test_nothing_remains_of_another_length(store: FolderStore, tmp_path: Path, body: bytes) -> None:
    with pytest.raises(BodyDiffers):
        await store.receive(Grant("PUT", fresh_key(), 0, size=len(CONTENT), content_type="text/plain"), pieces(body))
    assert left_over(tmp_path) == []


async def test_nothing_remains_of_another_hash(store: FolderStore, tmp_path: Path) -> None:
    grant = Grant("PUT", fresh_key(), 0, size=len(CONTENT), content_type="text/plain", sha256="0" * 64)
    with pytest.raises(BodyDiffers):
        await store.receive(grant, pieces(CONTENT))
    assert left_over(tmp_path) == []


async def test_a_body_that_is_too_long_is_not_read_to_its_end(store: FolderStore) -> None:
    taken = 0

    async def endless():
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000

    with pytest.raises(BodyDiffers):
        await store.receive(Grant("PUT", fresh_key(), 0, size=5_500, content_type="text/plain"), endless())
    assert taken == 6


async def test_a_cancelled_upload_leaves_nothing(store: FolderStore, tmp_path: Path) -> None:
    started = asyncio.Event()

    async def stalling():
        yield b"x" * 2_000_000
        started.set()
        await asyncio.Event().wait()

    upload = asyncio.create_task(store.put(fresh_key(), stalling(), "text/plain"))
    await started.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert left_over(tmp_path) == []


async def test_a_reader_keeps_what_it_began_with(store: FolderStore) -> None:
    key = fresh_key()
    old, new = b"a" * 2_000_000, b"b" * 2_000_000
    await store.put(key, old, "text/plain")
    reading = store.read(key)
    first = await anext(reading)
    await store.put(key, new, "text/plain")
    rest = b"".join([piece async for piece in reading])
    assert first + rest == old
    assert await whole(store, key) == new


async def test_files_are_for_this_user_alone(store: FolderStore, tmp_path: Path) -> None:
    await store.put(fresh_key(), b"x", "text/plain")
    modes = {path.stat().st_mode & 0o777 for path in left_over(tmp_path)}
    folders = {path.stat().st_mode & 0o777 for path in (tmp_path / "files").rglob("*") if path.is_dir()}
    assert modes == {0o600}
    assert folders <= {0o700, 0o755}


async def test_an_empty_folder_does_not_stay(store: FolderStore, tmp_path: Path) -> None:
    key = fresh_key()
    await store.put(key, b"x", "text/plain")
    await store.delete([key])
    assert [path.name for path in (tmp_path / "files").iterdir()] == [".drafts"]


async def test_damage_is_noticed(store: FolderStore, tmp_path: Path) -> None:
    key = fresh_key()
    await store.put(key, CONTENT, "text/plain")
    file = tmp_path / "files" / f"{key}~"
    whole_file = file.read_bytes()
    for damaged in (b"", whole_file[:-1], whole_file[1:], whole_file[: len(CONTENT)], b"\xff" * 8):
        file.write_bytes(damaged)
        with pytest.raises(StorageAway, match="damaged"):
            await store.head(key)


async def test_drafts_that_a_crash_left_are_forgotten_after_a_day(store: FolderStore, tmp_path: Path) -> None:
    drafts = tmp_path / "files" / ".drafts"
    drafts.mkdir(parents=True)
    old, young = drafts / "old", drafts / "young"
    for draft in (old, young):
        draft.write_bytes(b"half")
    day_before = time.time() - 100_000
    os.utime(old, (day_before, day_before))
    await store.ready()
    assert not old.exists()
    assert young.exists()


async def test_what_arrived_and_was_never_taken_is_forgotten_after_a_day(store: FolderStore, tmp_path: Path) -> None:
    late, young, taken = "incoming/spaces/a/b/original", "incoming/spaces/a/c/original", "spaces/a/b/original"
    for key in (late, young, taken):
        await store.put(key, b"x", "text/plain")
    day_before = time.time() - 100_000
    for key in (late, taken):
        os.utime(tmp_path / "files" / f"{key}~", (day_before, day_before))
    assert await store.forget_incoming() == 1
    assert await store.forget_incoming() == 0
    assert [await store.head(key) is None for key in (late, young, taken)] == [True, False, False]


async def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("in the way")
    store = FolderStore(tmp_path / "files", "http://127.0.0.1", [SECRET])
    with pytest.raises(OSError, match="files"):
        await store.ready()


WRITER = """
import asyncio, sys, itertools
from pathlib import Path
from shared.storage.folder import FolderStore

async def main():
    store = FolderStore(Path(sys.argv[1]), "http://x", [b"a secret for tests"])
    for n in itertools.count():
        await store.put("crash/object", bytes([n % 256]) * 3_000_000, f"test/{n % 256}")
        print(n, flush=True)

asyncio.run(main())
"""


async def test_a_killed_writer_leaves_whole_objects(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, "http://x", [SECRET])
    for rounds in range(1, 6):
        writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, str(tmp_path), stdout=PIPE)
        assert writer.stdout is not None
        for _ in range(rounds):
            acknowledged = int(await writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        await writer.wait()
        content = await whole(store, "crash/object")
        info = await store.head("crash/object")
        assert info is not None
        assert set(content) == {int(info.content_type.removeprefix("test/"))}
        assert len(content) == 3_000_000
        assert content[0] >= acknowledged


@pytest.mark.parametrize("secrets", [[], [b"short"]])
def test_a_weak_secret_is_refused(tmp_path: Path, secrets: list[bytes]) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        FolderStore(tmp_path, "http://x", secrets)


def test_the_settings_choose_the_store(tmp_path: Path) -> None:
    home = {"MARU_HOME": str(tmp_path), "MARU_FILES_KEY": "new key of this house,old key of this house"}
    bucket = {"R2_ENDPOINT": "http://r2", "R2_ACCESS_KEY": "a", "R2_SECRET_KEY": "b"}
    assert isinstance(open_storage(StorageSettings.from_env(home)), FolderStore)
    assert isinstance(open_storage(StorageSettings.from_env(bucket)), S3Store)
    with pytest.raises(SettingMissing, match="MARU_FILES_KEY"):
        open_storage(StorageSettings.from_env({"MARU_HOME": str(tmp_path)}))
    with pytest.raises(SettingMissing, match="R2_SECRET_KEY"):
        open_storage(StorageSettings.from_env({"R2_ENDPOINT": "http://r2", "R2_ACCESS_KEY": "a"}))
