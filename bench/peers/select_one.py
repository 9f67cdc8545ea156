"""FastAPI doing `SELECT 1` on the database that our service uses."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from fastapi import FastAPI


def build_app() -> FastAPI:
    """One route and a pool as large as ours."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        size = int(os.environ.get("DATABASE_MAX_CONNECTIONS", "16"))
        async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=size) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/one")
    async def one() -> dict[str, int]:
        return {"one": await app.state.pool.fetchval("SELECT 1")}

    return app


if __name__ == "__main__":
    uvicorn.run(
        "bench.peers.select_one:build_app",
        factory=True,
        port=int(os.environ["PORT"]),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
    )
