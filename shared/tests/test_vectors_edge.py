"""What holds for the engine in a folder alone: it survives its process, and has one owner."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from shared.testing.waiting import eventually_sync
from shared.vectors import DenseSpace, SparseVector, VectorFilter, collection_name
from shared.vectors.edge import EdgeIndex
from shared.vectors.errors import VectorsInUse, VectorsUnavailable

SPACE = UUID(int=1)
WORD = SparseVector([7], [1.0])

WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4
from shared.vectors import PointPayload, SparseVector, VectorPoint, point_id
from shared.vectors.edge import EdgeIndex

async def main():
    index = EdgeIndex(Path(sys.argv[1]))
    await index.ready()
    print("open", flush=True)
    for line in sys.stdin:
        entry = UUID(line.strip())
        payload = PointPayload(entry, 1, 0, UUID(int=1), uuid4(), None, "note", [], [], datetime.now(UTC))
        await index.upsert([VectorPoint(point_id(entry, 1, 0), SparseVector([7], [1.0]), None, payload)])
        print(entry, flush=True)

asyncio.run(main())
"""


def _writer(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def _write(process: "subprocess.Popen[str]", entry: UUID) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{entry}\n")
    process.stdin.flush()
    assert process.stdout.readline() == f"{entry}\n"


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_what_was_stored_survives_kill_9_again_and_again(tmp_path: Path) -> None:
    written = []
    for _ in range(3):
        process = _writer(tmp_path)
        for _ in range(20):
            written.append(uuid4())
            _write(process, written[-1])
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    index = EdgeIndex(tmp_path)
    hits = await index.search(WORD, None, VectorFilter([SPACE]), 100)
    await index.close()
    assert {hit.entry_id for hit in hits} == set(written)


async def test_a_second_process_is_told_who_owns_the_folder(tmp_path: Path) -> None:
    process = _writer(tmp_path)
    index = EdgeIndex(tmp_path)
    with pytest.raises(VectorsInUse) as refusal:
        await index.ready()
    assert str(process.pid) in refusal.value.detail
    assert "MARU_HOME" in refusal.value.detail
    process.communicate()
    await index.ready()
    await index.close()


async def test_a_closed_folder_can_be_opened_by_the_next(tmp_path: Path) -> None:
    first = EdgeIndex(tmp_path)
    await first.ready()
    second = EdgeIndex(tmp_path)
    with pytest.raises(VectorsInUse):
        await second.ready()
    await first.close()
    await second.ready()
    await second.close()


async def test_an_index_that_was_closed_opens_again_at_the_next_call(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path)
    assert await index.count(VectorFilter([SPACE])) == 0
    await index.close()
    assert await index.count(VectorFilter([SPACE])) == 0
    await index.close()


async def test_another_embedding_model_has_another_collection(tmp_path: Path) -> None:
    spaces = [None, DenseSpace("text-embedding-3-large", 3072), DenseSpace("text-embedding-3-large", 256)]
    names = {collection_name(space) for space in spaces}
    assert len(names) == 3
    for space in spaces:
        index = EdgeIndex(tmp_path, space)
        await index.ready()
        await index.close()
    assert names <= _names_in(tmp_path)


def test_a_models_name_cannot_leave_the_folder() -> None:
    assert "/" not in collection_name(DenseSpace("../../etc/Passwd", 8))


async def test_a_folder_that_is_no_index_is_told_in_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / collection_name(None)
    folder.mkdir()
    (folder / "edge_config.json").write_text("{ not json")
    index = EdgeIndex(tmp_path)
    with pytest.raises(VectorsUnavailable, match="maru reindex"):
        await index.ready()
    await index.close()


async def test_a_creation_that_was_killed_half_way_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / collection_name(None) / "segments").mkdir(parents=True)
    index = EdgeIndex(tmp_path)
    await index.ready()
    await index.close()


def test_the_lock_of_a_dead_process_holds_nobody_up(tmp_path: Path) -> None:
    process = _writer(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    eventually_sync(lambda: _writer(tmp_path).communicate() is not None)
