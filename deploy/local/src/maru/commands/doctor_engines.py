"""Which engine stands behind each port, and whether it answers: the part of `maru doctor` that also works where nothing is embedded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maru.commands.findings import Finding

if TYPE_CHECKING:
    from shared.publishing import MessagingSettings

_ANSWERS_WITHIN_S = 15.0
_PROBE = "health/doctor"
_SHOWN = 5

Check = Callable[[], Awaitable[str]]


class NotWell(Exception):
    """An engine answers, and not as it should; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What stands behind one port."""

    port: str
    engine: str
    check: Check | None = None
    advice: str = ""


def engines(env: Mapping[str, str]) -> list[Engine]:
    """One for each port, by the variables that switch it."""
    return [_messaging(env), _vectors(env), _files(env), _sign_in(env), _model(env)]


async def look(env: Mapping[str, str]) -> list[Finding]:
    """What is found when every engine that is not embedded is asked."""
    return list(await asyncio.gather(*(_found(engine) for engine in engines(env))))


async def _found(engine: Engine) -> Finding:
    if engine.check is None:
        return Finding("ok", engine.port, engine.engine)
    try:
        async with asyncio.timeout(_ANSWERS_WITHIN_S):
            more = await engine.check()
    except NotWell as missing:
        return Finding("wrong", engine.port, f"{engine.engine}: {missing}", engine.advice)
    except TimeoutError:
        return Finding("wrong", engine.port, f"{engine.engine}: no answer in {_ANSWERS_WITHIN_S:.0f} s", engine.advice)
    except Exception as away:  # noqa: BLE001 - each client has failures of its own, and this is where they are told
        return Finding("wrong", engine.port, f"{engine.engine}: {_said(away)}", engine.advice)
    return Finding("ok", engine.port, f"{engine.engine}{more and f', {more}'}")


def _messaging(env: Mapping[str, str]) -> Engine:
    if not env.get("GOOGLE_CLOUD_PROJECT"):
        return Engine("events and tasks", "embedded deliverer")
    from shared.publishing import MessagingSettings

    settings = MessagingSettings.from_env(env)
    assert settings is not None
    return Engine(
        "events and tasks",
        f"Pub/Sub and Cloud Tasks of {settings.project}, {settings.region}",
        lambda: _topics_and_queues(settings),
        "Terraform makes topics and queues (deploy/terraform); the service account needs pubsub.viewer and cloudtasks.viewer to look.",
    )


async def _topics_and_queues(settings: MessagingSettings) -> str:
    """All that the table of deliveries names: what is missing fails only when it is needed, perhaps weeks later."""
    from google.cloud.tasks_v2 import CloudTasksAsyncClient
    from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport
    from google.pubsub_v1 import PublisherAsyncClient
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
    from shared.deliveries import ROUTES, TOPICS
    from shared.publishing.channels import close, transport

    host = f"{settings.region}-pubsub.googleapis.com"
    pubsub = PublisherAsyncClient(transport=await transport(PublisherGrpcAsyncIOTransport, host, settings.pubsub_host))
    tasks = CloudTasksAsyncClient(
        transport=await transport(CloudTasksGrpcAsyncIOTransport, "cloudtasks.googleapis.com", settings.tasks_host)
    )
    topics = [f"projects/{settings.project}/topics/{name}" for name in (*TOPICS, "dead-letters")]
    place = f"projects/{settings.project}/locations/{settings.region}/queues"
    queues = [f"{place}/{route.name}" for route in ROUTES if route.kind == "task"]
    try:
        missing = await _missing(lambda name: pubsub.get_topic(topic=name, timeout=10), topics)
        missing += await _missing(lambda name: tasks.get_queue(name=name, timeout=10), queues)
    finally:
        await close(pubsub)
        await close(tasks)
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise NotWell(f"missing: {', '.join(missing[:_SHOWN])}{more}")
    return f"{len(topics)} topics, {len(queues)} queues"


async def _missing(get: Callable[[str], Awaitable[object]], names: list[str]) -> list[str]:
    from google.api_core.exceptions import NotFound

    async def is_there(name: str) -> bool:
        try:
            await get(name)
        except NotFound:
            return False
        return True

    there = await asyncio.gather(*(is_there(name) for name in names))
    return [name.rpartition("/")[2] for name, found in zip(names, there, strict=True) if not found]


def _vectors(env: Mapping[str, str]) -> Engine:
    from shared.settings import VectorSettings

    settings = VectorSettings.from_env(env)
    if not settings.url:
        return Engine("vectors", f"embedded, in {settings.folder}")

    async def check() -> str:
        from shared.vectors import open_vectors

        index = open_vectors(settings)
        try:
            await index.ready()
            return f"collection {index.collection}"
        finally:
            await index.close()

    advice = "Look at QDRANT_URL and QDRANT_API_KEY. The first start of api or ingest makes the collection."
    return Engine("vectors", f"Qdrant at {_place(settings.url)}", check, advice)


def _files(env: Mapping[str, str]) -> Engine:
    from shared.settings import StorageSettings

    settings = StorageSettings.from_env(env)
    if not settings.endpoint:
        return Engine("files", f"folder {settings.folder}")

    async def check() -> str:
        from shared.storage import open_storage

        store = open_storage(settings)
        try:
            await store.put(_PROBE, b"written by maru doctor", "text/plain")
            if await store.head(_PROBE) is None:
                raise NotWell("what was written is not there")
            await store.delete([_PROBE])
            return "takes and gives"
        finally:
            await store.close()

    advice = "Look at R2_ENDPOINT, R2_BUCKET and the rights of R2_ACCESS_KEY: it needs to read, write, list and delete."
    return Engine("files", f"bucket {settings.bucket} at {_place(settings.endpoint)}", check, advice)


def _sign_in(env: Mapping[str, str]) -> Engine:
    from shared.settings import AuthSettings

    settings = AuthSettings.from_env(env)
    if not settings.jwks_url:
        return Engine("sign-in", "built in")
    keys = settings.jwks_url

    async def check() -> str:
        status, document = await _get_json(keys, {"apikey": settings.supabase_anon_key or ""})
        if status != 200:
            raise NotWell(f"its public keys are answered with {status}")
        if not document.get("keys") and not settings.legacy_secret:
            raise NotWell("it has no public keys: make a signing key in the project, or set SUPABASE_JWT_SECRET")
        return f"{len(document.get('keys', []))} public keys"

    return Engine(
        "sign-in", f"Supabase at {_place(settings.issuer)}", check, "Look at SUPABASE_URL and SUPABASE_ANON_KEY."
    )


def _model(env: Mapping[str, str]) -> Engine:
    key = env.get("OPENAI_API_KEY", "")
    if not key:
        return Engine("language model", "none: extracts and quotes")
    base = (env.get("OPENAI_BASE_URL") or "https://api.openai.com/v1").rstrip("/")

    async def check() -> str:
        status, _ = await _get_json(f"{base}/models", {"Authorization": f"Bearer {key}"})
        if status in (401, 403):
            raise NotWell(f"it refuses the key ({status})")
        # Not every endpoint has a list of its models.
        if status >= 500:
            raise NotWell(f"it answers {status}")
        return ""

    return Engine(
        "language model",
        _place(base),
        check,
        "Look at OPENAI_BASE_URL and OPENAI_API_KEY; answers are extractive meanwhile.",
    )


async def _get_json(url: str, headers: Mapping[str, str]) -> tuple[int, dict[str, list[object]]]:
    import httpx

    async with httpx.AsyncClient(timeout=10) as client:
        answer = await client.get(url, headers={name: value for name, value in headers.items() if value})
    try:
        document = answer.json()
    except ValueError:
        document = {}
    return answer.status_code, document if isinstance(document, dict) else {}


def _place(url: str) -> str:
    """An address without user, password and query."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def _said(failure: Exception) -> str:
    return f"{type(failure).__name__}: {' '.join(str(failure).split())[:160]}".rstrip(": ")
