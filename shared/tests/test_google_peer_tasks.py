"""The peer's Cloud Tasks and Secret Manager, by the official clients, and the peer as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import grpc
import jwt
import pytest
from google.api_core import exceptions
from google.cloud.secretmanager_v1 import SecretManagerServiceAsyncClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceGrpcAsyncIOTransport,
)
from google.cloud.tasks_v2 import CloudTasksAsyncClient
from google.cloud.tasks_v2 import types as ct
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport
from jwt import PyJWKSet
from shared.testing import eventually
from shared.testing.google_peer import GooglePeer
from shared.testing.google_peer.secrets import crc32c
from shared.testing.google_peer.tokens import stripped
from shared.testing.http_peer import http_peer

PARENT = "projects/maru-test/locations/asia-northeast3"
QUEUE = f"{PARENT}/queues/index-entry"
ACCOUNT = "push@maru-test.iam.gserviceaccount.com"


class Receiver:
    def __init__(self, answer: Callable[[int], int]) -> None:
        self.url, self.answer = "", answer
        self.seen: list[tuple[dict[str, str], bytes]] = []


@contextmanager
def receiving(answer: Callable[[int], int] = lambda _: 204) -> Generator[Receiver]:
    receiver = Receiver(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(receiver.answer(len(receiver.seen)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with http_peer(Handler, "receiver") as receiver.url:
        yield receiver


@pytest.fixture
async def tasks(google_peer: GooglePeer) -> AsyncGenerator[CloudTasksAsyncClient]:
    channel = grpc.aio.insecure_channel(google_peer.address)
    yield CloudTasksAsyncClient(transport=CloudTasksGrpcAsyncIOTransport(channel=channel))
    await channel.close()


@pytest.fixture
async def vault(google_peer: GooglePeer) -> AsyncGenerator[SecretManagerServiceAsyncClient]:
    channel = grpc.aio.insecure_channel(google_peer.address)
    yield SecretManagerServiceAsyncClient(transport=SecretManagerServiceGrpcAsyncIOTransport(channel=channel))
    await channel.close()


async def queue(tasks: CloudTasksAsyncClient, **retry: Any) -> None:
    await tasks.create_queue(
        parent=PARENT,
        queue=ct.Queue(name=QUEUE, retry_config=ct.RetryConfig(min_backoff=timedelta(seconds=0.2), **retry)),
    )


def task(url: str = "https://ingest.example/internal/tasks/index-entry", name: str = "one", **more: Any) -> ct.Task:
    request: dict[str, Any] = {
        "url": url,
        "body": b"{}",
        "oidc_token": ct.OidcToken(service_account_email=ACCOUNT, audience="https://ingest.example"),
    }
    given = {key: more.pop(key) for key in list(more) if key in {"body", "http_method", "oidc_token", "headers"}}
    return ct.Task(name=f"{QUEUE}/tasks/{name}", http_request=ct.HttpRequest(**(request | given)), **more)


BAD_TASKS: dict[str, Callable[[], ct.Task]] = {
    "no address": lambda: task("ingest.example/"),
    "another queue's name": lambda: ct.Task(
        name=f"{PARENT}/queues/other/tasks/one", http_request=ct.HttpRequest(url="https://ingest.example/")
    ),
    "a name with a dot": lambda: task(name="a.b"),
    "a name that is too long": lambda: task(name="x" * 501),
    "too large": lambda: task(body=b"x" * 1024 * 1024),
    "a body with GET": lambda: task(http_method=ct.HttpMethod.GET),
    "an audience without an account": lambda: task(oidc_token=ct.OidcToken(audience="https://ingest.example")),
    "a deadline below 15 s": lambda: task(dispatch_deadline=timedelta(seconds=14)),
    "a deadline above 30 min": lambda: task(dispatch_deadline=timedelta(minutes=31)),
    "31 days ahead": lambda: task(schedule_time=datetime.now(UTC) + timedelta(days=31)),
}


@pytest.mark.parametrize("wrong", BAD_TASKS)
async def test_what_cloud_tasks_refuses_is_refused(
    google_peer: GooglePeer, tasks: CloudTasksAsyncClient, wrong: str
) -> None:
    await queue(tasks)
    with pytest.raises(exceptions.InvalidArgument):
        await tasks.create_task(parent=QUEUE, task=BAD_TASKS[wrong]())
    assert google_peer.tasks.waiting() == []


async def test_a_queue_that_is_not_there_is_not_made_up(tasks: CloudTasksAsyncClient) -> None:
    with pytest.raises(exceptions.NotFound):
        await tasks.create_task(parent=QUEUE, task=task())
    with pytest.raises(exceptions.InvalidArgument):
        await tasks.create_queue(parent=PARENT, queue=ct.Queue(name=f"{PARENT}/queues/a_b"))
    with pytest.raises(exceptions.InvalidArgument):
        await tasks.create_queue(
            parent=PARENT, queue=ct.Queue(name=QUEUE, rate_limits=ct.RateLimits(max_dispatches_per_second=501))
        )


async def test_a_task_is_called_until_it_is_done_and_its_name_is_taken_for_good(
    google_peer: GooglePeer, tasks: CloudTasksAsyncClient
) -> None:
    await queue(tasks)
    with receiving(lambda number: 500 if number < 3 else 200) as receiver:
        await tasks.create_task(parent=QUEUE, task=task(receiver.url + "/internal/tasks/index-entry", body=b'{"n": 1}'))
        await eventually(lambda: not google_peer.tasks.waiting())
    headers = [seen[0] for seen in receiver.seen]
    assert [one["x-cloudtasks-taskretrycount"] for one in headers] == ["0", "1", "2"]
    assert headers[0]["x-cloudtasks-queuename"] == "index-entry"
    assert headers[0]["x-cloudtasks-taskname"] == "one"
    assert headers[2]["x-cloudtasks-taskpreviousresponse"] == "500"
    assert receiver.seen[0][1] == b'{"n": 1}'
    key = PyJWKSet.from_dict(google_peer.signer.jwks())[google_peer.signer.kid]
    token = headers[0]["authorization"].removeprefix("Bearer ")
    assert jwt.decode(token, key, ["RS256"], audience="https://ingest.example")["email"] == ACCOUNT
    assert stripped(token).endswith(".SIGNATURE_REMOVED_BY_GOOGLE")
    with pytest.raises(exceptions.AlreadyExists):
        await tasks.create_task(parent=QUEUE, task=task())
    google_peer.tasks.forget_names()
    await tasks.create_task(parent=QUEUE, task=task(schedule_time=datetime.now(UTC) + timedelta(days=29)))


async def test_a_task_is_given_up_at_its_limit_and_nobody_is_told(
    google_peer: GooglePeer, tasks: CloudTasksAsyncClient
) -> None:
    await queue(tasks, max_attempts=2)
    with receiving(lambda _: 503) as receiver:
        await tasks.create_task(parent=QUEUE, task=task(receiver.url))
        await eventually(lambda: google_peer.tasks.given_up)
    assert len(receiver.seen) == 2
    with pytest.raises(exceptions.NotFound):
        await tasks.get_task(name=f"{QUEUE}/tasks/one")


async def test_a_task_waits_for_its_time_and_can_be_taken_back(
    google_peer: GooglePeer, tasks: CloudTasksAsyncClient
) -> None:
    await queue(tasks)
    with receiving() as receiver:
        later = datetime.now(UTC) + timedelta(hours=1)
        await tasks.create_task(parent=QUEUE, task=task(receiver.url, name="later", schedule_time=later))
        await tasks.create_task(parent=QUEUE, task=task(receiver.url, name="now"))
        await eventually(lambda: len(google_peer.tasks.waiting()) == 1)
        assert (await tasks.get_task(name=f"{QUEUE}/tasks/later")).schedule_time == later
        await tasks.delete_task(name=f"{QUEUE}/tasks/later")
        with pytest.raises(exceptions.NotFound):
            await tasks.delete_task(name=f"{QUEUE}/tasks/later")
    assert [seen[0]["x-cloudtasks-taskname"] for seen in receiver.seen] == ["now"]


async def test_secrets_are_read_by_version_and_latest_is_the_newest_whatever_its_state(
    google_peer: GooglePeer, vault: SecretManagerServiceAsyncClient
) -> None:
    first = google_peer.secrets.add("maru-test", "SENTRY_DSN", "one")
    second = google_peer.secrets.add("maru-test", "SENTRY_DSN", b"two")
    latest = "projects/maru-test/secrets/SENTRY_DSN/versions/latest"
    answer = await vault.access_secret_version(name=first)
    assert (answer.payload.data, answer.payload.data_crc32c) == (b"one", crc32c(b"one"))
    answer = await vault.access_secret_version(name=latest)
    assert (answer.name, answer.payload.data) == (second, b"two")
    google_peer.secrets.set_state(second, "DISABLED")
    for name, state in ((second, "DISABLED"), (latest, "DISABLED")):
        with pytest.raises(exceptions.FailedPrecondition, match=state):
            await vault.access_secret_version(name=name)
    google_peer.secrets.set_state(first, "DESTROYED")
    with pytest.raises(exceptions.FailedPrecondition, match="DESTROYED"):
        await vault.access_secret_version(name=first)
    google_peer.fault("AccessSecretVersion", status="PERMISSION_DENIED")
    with pytest.raises(exceptions.PermissionDenied):
        await vault.access_secret_version(name=first)
    for name, error in (
        ("projects/maru-test/secrets/NOBODY/versions/1", exceptions.NotFound),
        ("projects/maru-test/secrets/SENTRY_DSN/versions/3", exceptions.NotFound),
        ("projects/maru-test/secrets/SENTRY_DSN", exceptions.InvalidArgument),
        ("projects/maru-test/secrets/SENTRY_DSN/versions/0", exceptions.InvalidArgument),
    ):
        with pytest.raises(error):
            await vault.access_secret_version(name=name)


def test_checksums_are_those_of_the_rfc() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


def test_it_runs_as_a_process_of_its_own_with_everything_deployment_makes() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "shared.testing.google_peer", "--account", ACCOUNT], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        env = json.loads(process.stdout.readline())
        with urllib.request.urlopen(env["PUSH_JWKS_URL"], timeout=5) as answer:
            assert json.load(answer)["keys"][0]["alg"] == "RS256"
        with grpc.insecure_channel(env["PUBSUB_EMULATOR_HOST"]) as channel:
            grpc.channel_ready_future(channel).result(timeout=5)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        process.stdout.close()
