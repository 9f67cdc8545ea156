"""FastAPI and nothing else."""

import os

import uvicorn
from fastapi import FastAPI


def build_app() -> FastAPI:
    """One route."""
    app = FastAPI()

    # No model, as in FastAPI's own first example: with one the floor would load what we avoid.
    @app.get("/health", response_model=None)
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


if __name__ == "__main__":
    uvicorn.run(
        "bench.peers.hello:build_app",
        factory=True,
        port=int(os.environ["PORT"]),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
    )
