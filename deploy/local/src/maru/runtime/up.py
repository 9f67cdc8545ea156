"""`maru up`: starts everything in order, keeps it running, stops it in the opposite order."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from maru.errors import CannotStart
from maru.home import Home, socket_folder
from maru.postgres import EmbeddedPostgres
from maru.postgres.schema import migrate
from maru.runtime import overview, web_app, workers
from maru.runtime.environment import SERVICES, ports, service_variables, web_app_variables, write_service_env
from maru.runtime.progress import Progress
from maru.runtime.secrets import LocalSecrets

if TYPE_CHECKING:
    from shared.vectors import VectorIndex

    from maru.deliverer import Deliverer, TokenSigner
    from maru.runtime.servers import ServiceServer

log = logging.getLogger(__name__)

_UNEXPECTED_END = 70
_WATCHED_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """The flags of `maru up`."""

    ui: bool = True
    workers: int = 1
    demo: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """What stands when the event loop begins: the place, its keys, the database, the ports."""

    options: Options
    home: Home
    secrets: LocalSecrets
    env: Mapping[str, str]
    variables: Mapping[str, str]
    deliverer_dsn: str
    postgres: EmbeddedPostgres | None
    listening: Mapping[str, socket.socket]
    progress: Progress


def up(options: Options, env: Mapping[str, str]) -> int:
    """Run until asked to stop; the exit status."""
    progress = Progress()
    # From here to the event loop a request to stop unwinds what has been started so far.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with ExitStack() as stack:
            prepared = _prepare(options, env, progress, stack)
            _import_loop()(_run(prepared))
    except CannotStart as reason:
        progress.refuse(str(reason))
        return 1
    except OSError as problem:
        progress.refuse(_disk_sentence(problem, env))
        return 1
    except KeyboardInterrupt:
        progress.say("\nmaru: stopped")
        return 130
    except _Ended as ended:
        progress.refuse(str(ended.args[0]))
        return _UNEXPECTED_END
    return 0


def _prepare(options: Options, env: Mapping[str, str], progress: Progress, stack: ExitStack) -> Prepared:
    from shared.settings import maru_home

    home = Home(maru_home(env))
    home.prepare()
    home.lock()
    stack.callback(home.unlock)
    from shared.telemetry import open_telemetry
    from shared.telemetry.settings import TelemetrySettings

    from maru.runtime.logs import log_to_file

    log_to_file(home.logs, env.get("MARU_LOG_LEVEL", "INFO"))
    stack.callback(open_telemetry("local", TelemetrySettings.from_env(env)).close)
    web_app.stop_stray(socket_folder(home.folder))
    workers.stop_strays(socket_folder(home.folder))
    listening = _bind(options, env, stack)
    secrets = LocalSecrets.load(home.secrets)
    with progress.step("database", "database"):
        postgres, dsn_of = _database(home, env, stack)
    with progress.step("schema", "schema"):
        migrate(dsn_of("postgres"))
    variables = service_variables(env, home, secrets, {service: dsn_of(f"maru_{service}") for service in SERVICES})
    return Prepared(options, home, secrets, env, variables, dsn_of("maru_deliverer"), postgres, listening, progress)


def _bind(options: Options, env: Mapping[str, str], stack: ExitStack) -> dict[str, socket.socket]:
    """Take every port first: a start that cannot end well should end before it has begun."""
    from maru.runtime.servers import bind

    host, chosen = env.get("HOST") or "127.0.0.1", ports(env)
    listening = {}
    for service in SERVICES:
        listening[service] = bind(service, host, chosen[service])
        stack.callback(listening[service].close)
    if options.ui:
        bind("ui", host, chosen["ui"]).close()
    return listening


def _database(
    home: Home, env: Mapping[str, str], stack: ExitStack
) -> tuple[EmbeddedPostgres | None, Callable[[str], str]]:
    """The embedded server unless there is another, and the address for each role."""
    if external := env.get("DATABASE_URL"):
        from shared.settings import DatabaseSettings

        from maru.commands.migrating import owner_dsn

        owner = owner_dsn(env)
        # The deliverer listens and holds a lock of its session, which a transaction pooler does not carry.
        direct = {"postgres", "maru_deliverer"} if DatabaseSettings.from_env(env, "deliverer").pooled else {"postgres"}
        return None, lambda role: owner if role in direct else external
    postgres = EmbeddedPostgres(home.folder, dies_with_parent=True)
    stack.callback(postgres.stop)
    postgres.start()
    return postgres, postgres.dsn


async def _run(prepared: Prepared) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        starting = asyncio.create_task(_start(prepared, stack))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait([starting])
            return
        servers = starting.result()
        # What start-up made stays for good: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        ends = [server.ended for server in servers if server.ended]
        watching = asyncio.create_task(_watch(prepared.postgres))
        stack.callback(watching.cancel)
        await asyncio.wait([stopping, watching, *ends], return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        if not stopping.done():
            raise _Ended(f"a service ended unexpectedly; {prepared.home.logs}/maru.log says why")
        prepared.progress.say("\nstopping; what is under way is finished or continues at the next start")


async def _watch(postgres: EmbeddedPostgres | None) -> None:
    """Bring the database back when it is gone; services find it again by themselves."""
    while True:
        await asyncio.sleep(_WATCHED_EVERY_S)
        if postgres is not None and postgres.pid is None:
            log.error("the database ended and is started again")
            # On this thread, although that holds everything up: the server ends with the thread that started it, and nothing works without it.
            postgres.start()


async def _start(prepared: Prepared, stack: AsyncExitStack) -> list[ServiceServer]:
    """Start in order, leaving on `stack` how each thing is stopped."""
    from shared.text.morphology import default_morphology

    progress, env = prepared.progress, {**prepared.env, **prepared.variables}
    page = _launch_web_app(prepared, stack)
    with progress.step("engines", "deliverer and vectors"):
        vectors = await _vectors(prepared, env, stack)
        delivery = await _delivery(prepared, env, stack)
    with progress.step("services", "api, ingest, inference"):
        servers = await _services(prepared, env, None if delivery is None else delivery.deliverer, vectors, stack)
        if delivery is not None:
            await _after(stack, delivery.deliverer.start(), delivery.deliverer.stop)
            await _sweeping(env, delivery.signer, stack)
    write_service_env(
        prepared.home.service_env, {**prepared.variables, "MARU_VECTORS_SOCKET": str(prepared.home.vector_socket)}
    )
    if page is not None:
        with progress.step("web app", "web app"):
            await page.ready()
    table = overview.rows(
        prepared.env, prepared.home, prepared.variables, ui=page is not None, workers=prepared.options.workers
    )
    where = prepared.variables["MARU_UI_URL" if page is not None else "MARU_API_URL"]
    progress.table(table, f"\nOpen {where}   Ctrl-C stops everything.")
    # Loading it takes seconds: better now than while the first entry waits. A daemon, so that a stop does not wait for it.
    threading.Thread(target=default_morphology().load, daemon=True, name="load-morphology").start()
    _work(prepared, stack)
    if prepared.options.demo:
        await _demo(prepared, stack)
    return servers


def _launch_web_app(prepared: Prepared, stack: AsyncExitStack) -> web_app.WebApp | None:
    if not prepared.options.ui:
        return None
    page = web_app.WebApp(
        web_app_variables(prepared.env, prepared.variables), socket_folder(prepared.home.folder), prepared.home.logs
    )
    stack.push_async_callback(page.stop)
    page.launch()
    return page


@dataclass(frozen=True, slots=True)
class _Delivery:
    """What delivers on one machine."""

    deliverer: Deliverer
    signer: TokenSigner


async def _delivery(prepared: Prepared, env: Mapping[str, str], stack: AsyncExitStack) -> _Delivery | None:
    """None where the services publish to Google themselves: then Google delivers, and its scheduler sweeps."""
    if env.get("GOOGLE_CLOUD_PROJECT", "").strip():
        return None
    from shared.db import Database
    from shared.deliveries import ROUTES

    from maru.deliverer import Deliverer, HttpCaller, TokenSigner

    signer = TokenSigner(prepared.secrets.callback_private_key)
    database = Database(prepared.deliverer_dsn, max_size=3)
    stack.push_async_callback(database.close)
    bases = {service: env[f"MARU_{service.upper()}_URL"] for service in SERVICES}
    return _Delivery(Deliverer(database, ROUTES, bases, HttpCaller(), signer), signer)


async def _vectors(prepared: Prepared, env: Mapping[str, str], stack: AsyncExitStack) -> VectorIndex:
    from shared.settings import VectorSettings
    from shared.vectors import open_vectors

    vectors = open_vectors(VectorSettings.from_env(env))
    stack.push_async_callback(vectors.close)
    if not env.get("QDRANT_URL"):
        from shared.vectors.serve import VectorServer

        server = VectorServer(vectors, prepared.home.vector_socket)
        await _after(stack, server.start(), server.close)
    return vectors


async def _services(
    prepared: Prepared,
    env: Mapping[str, str],
    deliverer: Deliverer | None,
    vectors: VectorIndex,
    stack: AsyncExitStack,
) -> list[ServiceServer]:
    from shared.streams import StreamHub
    from shared.text.morphology import default_morphology

    from maru.runtime.apps import SharedEngines, build_apps
    from maru.runtime.servers import ServiceServer

    apps = build_apps(env, SharedEngines(StreamHub(), deliverer, vectors, default_morphology()))
    servers = [ServiceServer(service, app, prepared.listening[service]) for service, app in apps.items()]
    for server in servers:
        await _after(stack, server.start(), server.stop)
    return servers


async def _sweeping(env: Mapping[str, str], signer: TokenSigner, stack: AsyncExitStack) -> None:
    from maru.deliverer import HttpCaller
    from maru.runtime.sweep import Sweeper

    sweeper = Sweeper({service: env[f"MARU_{service.upper()}_URL"] for service in SERVICES}, HttpCaller(), signer)
    await _after(stack, sweeper.start(), sweeper.stop)


def _work(prepared: Prepared, stack: AsyncExitStack) -> None:
    """Start this machine's workers, last of all: nobody who opens the first page waits for them."""
    if prepared.options.workers == 0:
        return
    from api.workers.service import WorkerTokenService
    from shared.db import Database
    from shared.settings import DatabaseSettings

    from maru.runtime.worker_tokens import KeptTokens

    home = prepared.home
    settings = DatabaseSettings.from_env({**prepared.env, **prepared.variables}, "api")
    database = Database(settings.dsn, max_size=1, pooled=settings.pooled)
    stack.push_async_callback(database.close)
    tokens = KeptTokens(WorkerTokenService(database), home.secrets)
    url = prepared.variables["MARU_INFERENCE_URL"]
    places = workers.Places(url, socket_folder(home.folder), home.folder / "workers", home.logs)
    numbers = range(1, prepared.options.workers + 1)
    ours = workers.LocalWorkers([workers.LocalWorker(number, prepared.env, places, tokens) for number in numbers])
    stack.push_async_callback(ours.stop)
    ours.start()


async def _demo(prepared: Prepared, stack: AsyncExitStack) -> None:
    """Fill the household in the background, by the same HTTP calls a person's browser makes."""
    from maru.commands.seed import seed_and_say

    seeding = asyncio.create_task(seed_and_say(prepared.variables["MARU_API_URL"], prepared.progress.say), name="demo")
    stack.callback(seeding.cancel)


async def _after(stack: AsyncExitStack, starting: Awaitable[None], stop: Callable[[], Awaitable[None]]) -> None:
    """Start, having first said how to stop: a start that is interrupted is undone too."""
    stack.push_async_callback(stop)
    await starting


class _Ended(Exception):
    """Something that should run for ever does not."""


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _import_loop() -> Callable[..., None]:
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run


def _disk_sentence(problem: OSError, env: Mapping[str, str]) -> str:
    place = problem.filename or env.get("MARU_HOME") or ".maru"
    return f"{place} cannot be written ({(problem.strerror or str(problem)).lower()}): free some space, or set MARU_HOME to another folder."
