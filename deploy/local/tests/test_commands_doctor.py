"""The doctor where engines are not embedded: it names each, asks each, and says what is missing."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from maru.commands.doctor import examine
from maru.commands.doctor_engines import look
from maru.commands.findings import Finding, counted
from shared.deliveries import ROUTES, TOPICS
from shared.testing.google_peer import GooglePeer, provision, run_google_peer
from shared.testing.postgres import RoleUrls
from shared.testing.qdrant_peer import running_qdrant
from shared.testing.s3_peer import S3Peer, run_s3_peer
from shared.testing.supabase_peer import run_supabase_peer

SERVICES = {"api": "http://127.0.0.1:1", "ingest": "http://127.0.0.1:1", "inference": "http://127.0.0.1:1"}
ACCOUNT = "invoker@maru-test.iam.gserviceaccount.com"


@pytest.fixture
def google() -> Generator[GooglePeer]:
    with run_google_peer() as peer:
        yield peer


@pytest.fixture
def bucket() -> Generator[S3Peer]:
    with run_s3_peer() as peer:
        yield peer


def in_google(peer: GooglePeer) -> dict[str, str]:
    urls = {f"MARU_{service.upper()}_URL": url for service, url in SERVICES.items()}
    return urls | {
        "GOOGLE_CLOUD_PROJECT": "maru-test",
        "PUSH_SERVICE_ACCOUNT": ACCOUNT,
        "PUSH_AUTH_MODE": "oidc",
        "PUBSUB_EMULATOR_HOST": peer.address,
        "CLOUD_TASKS_EMULATOR_HOST": peer.address,
    }


def in_bucket(peer: S3Peer) -> dict[str, str]:
    return {
        "R2_ENDPOINT": peer.endpoint,
        "R2_BUCKET": peer.bucket,
        "R2_ACCESS_KEY": peer.access_key,
        "R2_SECRET_KEY": peer.secret_key,
    }


async def of(port: str, env: dict[str, str]) -> Finding:
    (found,) = [finding for finding in await look(env) if finding.what == port]
    return found


async def test_what_is_embedded_is_named_and_not_asked() -> None:
    told = {finding.what: (finding.state, finding.found) for finding in await look({"MARU_HOME": "/home/maru"})}
    assert told == {
        "events and tasks": ("ok", "embedded deliverer"),
        "vectors": ("ok", "embedded, in /home/maru/vectors"),
        "files": ("ok", "folder /home/maru/files"),
        "sign-in": ("ok", "built in"),
        "language model": ("ok", "none: extracts and quotes"),
    }


async def test_every_topic_and_queue_is_looked_for(google: GooglePeer) -> None:
    missing = await of("events and tasks", in_google(google))
    assert missing.state == "wrong"
    assert "missing: answer.finished" in missing.found
    queues = [route for route in ROUTES if route.kind == "task"]
    provision(google, [route for route in ROUTES if route != queues[-1]], SERVICES, ACCOUNT, topics=TOPICS)
    missing = await of("events and tasks", in_google(google))
    assert missing.found.endswith(f"missing: {queues[-1].name}")
    assert "Terraform" in missing.advice
    make_queue(google, queues[-1].name)
    well = await of("events and tasks", in_google(google))
    assert (well.state, well.found) == (
        "ok",
        f"Pub/Sub and Cloud Tasks of maru-test, asia-northeast3, {len(TOPICS) + 1} topics, {len(queues)} queues",
    )


def make_queue(peer: GooglePeer, name: str) -> None:
    """One queue alone: the topics are there."""
    from google.cloud import tasks_v2 as ct

    place = "projects/maru-test/locations/asia-northeast3"
    rates = ct.RateLimits(max_dispatches_per_second=10, max_concurrent_dispatches=10)
    queue = ct.Queue(name=f"{place}/queues/{name}", rate_limits=rates)
    peer.tasks.create_queue(ct.CreateQueueRequest(parent=place, queue=queue))


async def test_a_bucket_is_written_read_and_left_as_it_was(bucket: S3Peer) -> None:
    well = await of("files", in_bucket(bucket))
    assert (well.state, well.found) == ("ok", f"bucket {bucket.bucket} at {bucket.endpoint}, takes and gives")
    assert not bucket.objects
    wrong = await of("files", in_bucket(bucket) | {"R2_SECRET_KEY": "another"})
    assert wrong.state == "wrong"
    assert "read, write, list and delete" in wrong.advice
    assert "another" not in wrong.found


async def test_a_vector_server_that_fails_is_told_without_its_key() -> None:
    with running_qdrant(api_key="the-key") as server:
        server.broken = 500
        wrong = await of("vectors", {"QDRANT_URL": server.url, "QDRANT_API_KEY": "the-key"})
        assert (wrong.state, wrong.advice.split(".")[0]) == ("wrong", "Look at QDRANT_URL and QDRANT_API_KEY")
        assert "the-key" not in wrong.found
        server.broken = None
        assert (await of("vectors", {"QDRANT_URL": server.url, "QDRANT_API_KEY": "the-key"})).state == "ok"


async def test_supabase_is_asked_for_its_keys() -> None:
    with run_supabase_peer() as supabase:
        well = await of("sign-in", {"SUPABASE_URL": supabase.url})
        assert (well.state, well.found) == ("ok", f"Supabase at {supabase.url}/auth/v1, 1 public keys")
    away = await of("sign-in", {"SUPABASE_URL": "http://127.0.0.1:1"})
    assert (away.state, away.advice) == ("wrong", "Look at SUPABASE_URL and SUPABASE_ANON_KEY.")


async def test_an_endpoint_that_does_not_answer_is_told() -> None:
    env = {"OPENAI_API_KEY": "sk-secret", "OPENAI_BASE_URL": "http://user:pass@127.0.0.1:1/v1?key=x"}
    away = await of("language model", env)
    assert away.state == "wrong"
    assert away.found.startswith("http://127.0.0.1:1/v1: ConnectError")
    assert "sk-secret" not in away.found + away.advice


def test_an_operator_beside_no_home_sees_the_database_and_every_engine(
    database_urls: RoleUrls, tmp_path: object
) -> None:
    env = {
        "MARU_OWNER_DATABASE_URL": database_urls.superuser,
        "MARU_HOME": f"{tmp_path}/none",
        "MARU_API_URL": "http://127.0.0.1:1",
    }
    told = {finding.what: finding for finding in examine(env)}
    assert told["database"].state == "ok"
    assert told["messages"].found == "0 waiting, 0 given up"
    assert told["workers"].found == "0 online, 0 at work; 0 tasks wait"
    assert (told["api"].state, told["api"].found) == ("wrong", "nothing answers on http://127.0.0.1:1")
    assert "home" not in told
    assert "maru up" not in told


@pytest.mark.parametrize(("number", "said"), [(0, "0 tasks wait"), (1, "1 task waits"), (2, "2 tasks wait")])
def test_one_is_said_as_one(number: int, said: str) -> None:
    assert counted(number, "task waits", "tasks wait") == said
