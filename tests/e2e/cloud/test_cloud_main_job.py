"""The main job with every port on its cloud adapter at once: Pub/Sub, Cloud Tasks, Secret Manager, S3, Supabase Auth and Postgres behind its
pooler, Qdrant, OpenAI, LangSmith and OTLP, each on the wire."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from PIL import Image
from shared.testing import eventually
from shared.testing.pgbouncer import PASSWORD as PASSWORD_OF_POOLER
from shared.testing.serving import SentEvent, sent_events

if TYPE_CHECKING:
    from tests.e2e.cloud.conftest import Cloud

pytestmark = [pytest.mark.serial, pytest.mark.timeout(300)]

KOREAN = "오늘 지우와 한강에서 자전거를 탔다. 바람이 시원해서 무척 행복했다. 저녁에는 잠수교 아래에서 라면을 먹었다."
ENGLISH = "The lease for the flat in Mapo ends on 3 March. Mrs Han keeps the deposit of two months until then."
STREAM = {"Accept": "text/event-stream"}


async def events(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> list[SentEvent]:
    """A stream to its end."""
    async with client.stream(method, path, **more) as answer:
        assert answer.status_code == 200, await answer.aread()
        return [event async for event in sent_events(answer.aiter_lines())]


async def write(client: httpx.AsyncClient, body: str, **fields: Any) -> dict[str, Any]:
    """Save an entry, and follow it until it is understood."""
    saved = await client.post("/api/v1/entries", json={"kind": "note", "body": body, **fields})
    assert saved.status_code == 201, saved.text
    entry_id = saved.json()["id"]
    last = (await events(client, "GET", f"/api/v1/entries/{entry_id}/events", headers=STREAM))[-1]
    assert last.type == "done", last
    entry: dict[str, Any] = (await client.get(f"/api/v1/entries/{entry_id}")).json()
    return entry


async def upload(client: httpx.AsyncClient, name: str, content: bytes, content_type: str) -> str:
    """Announce, put straight to the bucket, complete."""
    new = {"filename": name, "content_type": content_type, "size": len(content)}
    ticket = (await client.post("/api/v1/uploads", json=new)).json()
    async with httpx.AsyncClient(trust_env=False) as stranger:
        put = await stranger.request(ticket["method"], ticket["url"], headers=ticket["headers"], content=content)
    assert put.status_code == 200, put.text
    completed = await client.post(f"/api/v1/uploads/{ticket['id']}/complete")
    assert completed.status_code == 200, completed.text
    upload_id: str = ticket["id"]
    return upload_id


def picture(colour: tuple[int, int, int]) -> bytes:
    """A small photo."""
    file = io.BytesIO()
    Image.new("RGB", (48, 32), colour).save(file, "JPEG")
    return file.getvalue()


async def test_remember_find_answer_and_work_with_every_port_in_the_cloud(cloud: Cloud, tmp_path: Path) -> None:
    person = await cloud.person()
    for name in cloud.services:
        await eventually(partial(_is_ready, cloud, name), within=60)

    walk, lease = await write(person, KOREAN), await write(person, ENGLISH)
    assert (walk["status"], lease["status"]) == ("ready", "ready")
    photo = await upload(person, "한강.jpg", picture((30, 90, 160)), "image/jpeg")
    await write(person, "한강 사진", kind="photo", uploads=[photo])

    hits = (await person.post("/api/v1/search", json={"query": "자전거 한강"})).json()["hits"]
    assert hits[0]["entry_id"] == walk["id"]
    assert KOREAN[hits[0]["start"] : hits[0]["end"]] == hits[0]["text"]

    conversation = (await person.post("/api/v1/conversations", json={})).json()["id"]
    asked = await events(
        person, "POST", f"/api/v1/conversations/{conversation}/messages",
        json={"content": "When does the lease for the flat end?"}, headers=STREAM,
    )  # fmt: skip
    assert [asked[0].type, asked[-1].type] == ["start", "done"]
    assert lease["id"] in {citation["entry_id"] for citation in asked[-1].data["message"]["citations"]}
    again = await events(person, "GET", f"/api/v1/streams/{asked[0].data['stream_id']}", headers=STREAM)
    assert again == asked, "another instance replays the same answer"

    cloud.start_worker(tmp_path / "worker")
    await _a_job_is_done(person, [photo, await upload(person, "b.jpg", picture((200, 40, 40)), "image/jpeg")])

    stranger = await cloud.person()
    assert (await stranger.get(f"/api/v1/entries/{walk['id']}")).status_code == 404
    assert (await stranger.post("/api/v1/search", json={"query": "자전거 한강"})).json()["hits"] == []

    await _what_is_deleted_is_gone_everywhere(cloud, person, walk["id"])
    assert await cloud.sweep() == {"api": 204, "ingest": 204, "inference": 204}
    _every_peer_was_spoken_to(cloud)
    await _what_people_wrote_and_secrets_stay_inside(cloud)


async def _is_ready(cloud: Cloud, name: str) -> bool:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as probe:
        answer = await probe.get(f"{cloud.services[name].url}/health/ready")
    assert answer.status_code == 200, answer.text
    return True


async def _a_job_is_done(person: httpx.AsyncClient, inputs: list[str]) -> None:
    made = await person.post(
        "/api/v1/jobs", json={"name": "grey", "runner": "image", "params": {"operation": "grayscale"}}
    )
    assert made.status_code == 201, made.text
    job_id = made.json()["id"]
    enqueued = await person.post(f"/api/v1/jobs/{job_id}/enqueue", json={"input_paths": inputs})
    assert enqueued.json()["created"] == 2, enqueued.text
    followed = await events(person, "GET", f"/api/v1/jobs/{job_id}/events", headers=STREAM)
    assert followed[-1].type == "done", followed[-1]
    assert followed[-1].data["counts"]["done"] == 2
    archive = await person.get(f"/api/v1/jobs/{job_id}/results.zip", follow_redirects=True)
    assert archive.status_code == 200, archive.text
    with zipfile.ZipFile(io.BytesIO(archive.content)) as results:
        for name in results.namelist():
            assert Image.open(io.BytesIO(results.read(name))).size == (48, 32)
        assert len(results.namelist()) == 2


async def _what_is_deleted_is_gone_everywhere(cloud: Cloud, person: httpx.AsyncClient, entry_id: str) -> None:
    assert (await person.delete(f"/api/v1/entries/{entry_id}")).status_code == 204

    async def found() -> bool:
        hits = (await person.post("/api/v1/search", json={"query": "자전거 한강"})).json()["hits"]
        return entry_id not in {hit["entry_id"] for hit in hits}

    await eventually(found, within=30)
    await eventually(lambda: cloud.rows("SELECT 1 FROM maru.outbox") == [], within=30)


def _every_peer_was_spoken_to(cloud: Cloud) -> None:
    assert cloud.google.calls["Publish"] > 0
    assert cloud.google.calls["CreateTask"] > 0
    assert any(name.endswith("/secrets/openai-api-key/versions/latest") for name in cloud.google.secrets.accessed)
    assert any("/internal/push/entry.saved" in path for path in cloud.door.passed)
    assert any("/internal/tasks/index-entry" in path for path in cloud.door.passed)
    assert cloud.door.refused == []
    assert {"PUT", "GET", "HEAD"} <= {request.split(" ")[0] for request in cloud.s3.requests}
    assert any("points/query" in request for request in cloud.qdrant.requests)
    assert any("jwks.json" in request for request in cloud.supabase.requests)
    assert cloud.openai.chats


async def _what_people_wrote_and_secrets_stay_inside(cloud: Cloud) -> None:
    """Neither logs nor traces hold them, and both were kept."""
    await eventually(lambda: cloud.langsmith.runs and cloud.collector.spans(), within=30)
    assert cloud.langsmith.refused == []
    assert cloud.collector.refused == []
    told = [body.decode(errors="replace") for body in (*cloud.langsmith.bodies, *cloud.collector.bodies)]
    logs = [(cloud.logs / f"{name}.log").read_text() for name in cloud.services]
    assert all('"severity": "INFO"' in log for log in logs)
    for words in ("자전거", "deposit of two months", cloud.s3.secret_key, "qdrant-peer-key", PASSWORD_OF_POOLER):
        assert not any(words in text for text in (*told, *logs)), words
