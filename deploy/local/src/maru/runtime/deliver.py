"""`maru deliver`: the deliverer and the minute's sweep alone, beside services that run elsewhere on one network."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from maru.errors import CannotStart
from maru.runtime.environment import SERVICES

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivering:
    """Where messages come from, where they go, and with which key calls are signed."""

    dsn: str = field(repr=False)
    services: Mapping[str, str]
    signing_key: str = field(repr=False)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Delivering:
        """`DELIVERER_DATABASE_URL` or `DATABASE_URL`, `MARU_<SERVICE>_URL`, `MARU_CALLBACK_SIGNING_KEY`."""
        from shared.settings import DatabaseSettings, ServiceUrls, pem, require

        if env.get("GOOGLE_CLOUD_PROJECT"):
            raise CannotStart(
                "GOOGLE_CLOUD_PROJECT is set, so the services publish to Pub/Sub and Cloud Tasks themselves: a deliverer has nothing to do."
            )
        database = DatabaseSettings.from_env(env, "deliverer")
        if database.pooled:
            raise CannotStart(
                "The database is reached through a transaction pooler, and the deliverer listens on a session of its own: "
                "set DELIVERER_DATABASE_URL to the direct connection."
            )
        urls = ServiceUrls.from_env(env)
        services = {service: str(getattr(urls, service)) for service in SERVICES}
        for service, url in services.items():
            if urlsplit(url).scheme != "http" or not urlsplit(url).hostname:
                raise CannotStart(
                    f"MARU_{service.upper()}_URL is {url!r}: the deliverer calls services of its own network, so write http://HOST:PORT."
                )
        why = "calls are signed with it, and services verify them with MARU_CALLBACK_PUBLIC_KEY"
        key = pem(require(env, "MARU_CALLBACK_SIGNING_KEY", why), "PRIVATE KEY")
        _check_key(key)
        return cls(database.dsn, services, key)


def deliver(env: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Deliver until asked to stop; the exit status."""
    from shared.telemetry import log_as_json

    delivering = Delivering.from_env(env)
    log_as_json("deliverer", (env.get("MARU_LOG_LEVEL") or "INFO").upper())
    asyncio.run(_run(delivering, say))
    return 0


async def _run(delivering: Delivering, say: Callable[[str], None]) -> None:
    from shared.db import Database
    from shared.deliveries import ROUTES

    from maru.deliverer import Deliverer, HttpCaller, TokenSigner
    from maru.runtime.sweep import Sweeper

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    signer = TokenSigner(delivering.signing_key)
    async with AsyncExitStack() as stack:
        database = Database(delivering.dsn, max_size=3)
        stack.push_async_callback(database.close)
        deliverer = Deliverer(database, ROUTES, delivering.services, HttpCaller(), signer)
        stack.push_async_callback(deliverer.stop)
        await deliverer.start()
        sweeper = Sweeper(delivering.services, HttpCaller(), signer)
        stack.push_async_callback(sweeper.stop)
        await sweeper.start()
        say(f"delivering to {', '.join(delivering.services.values())}")
        await stop.wait()
        log.info("stopping: calls that are under way may end, the rest is delivered by whoever comes next")


def _check_key(pem_text: str) -> None:
    """Before anything starts: a key that cannot sign would fail every delivery."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem_text.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise CannotStart(
            "MARU_CALLBACK_SIGNING_KEY is no P-256 private key in PEM: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes one."
        )
