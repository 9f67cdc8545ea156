"""`/health` says that the process lives; `/health/ready` asks each dependency."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter
from fastapi.responses import JSONResponse

Check = Callable[[], Awaitable[None]]

# Beyond what the first look of a new instance costs, which loads the clients it looks with.
_CHECK_TIMEOUT_S = 8


def health_router(checks: Mapping[str, Check]) -> APIRouter:
    """Both routes. Paths end in no `z`, because Cloud Run reserves some that do."""
    router = APIRouter(tags=["health"])

    @router.get("/health")
    async def health() -> dict[str, str]:
        """The process answers; no engine is asked or opened."""
        return {"status": "ok"}

    @router.get("/health/ready", responses={503: {"description": "A dependency does not answer"}})
    async def ready() -> JSONResponse:
        """Each dependency with its latency in milliseconds; 503 when one is away."""
        results = await asyncio.gather(*(_probe(check) for check in checks.values()))
        dependencies = dict(zip(checks, results, strict=True))
        healthy = all(result["status"] == "ok" for result in results)
        return JSONResponse(
            {"status": "ok" if healthy else "degraded", "dependencies": dependencies}, 200 if healthy else 503
        )

    return router


async def _probe(check: Check) -> dict[str, str | float]:
    started = time.perf_counter()
    try:
        await asyncio.wait_for(check(), _CHECK_TIMEOUT_S)
    except Exception as failure:  # noqa: BLE001 - whatever it is, this is the place that reports it
        return {"status": "away", "error": type(failure).__name__, "latency_ms": _ms(started)}
    return {"status": "ok", "latency_ms": _ms(started)}


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
