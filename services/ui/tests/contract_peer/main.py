"""A strict, forgetful stand-in for the gateway: `python main.py PORT`.

It speaks the public contract, refuses what the contract does not name, and lets a test turn its knobs at /control.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict

import administration
import conversation
import identity
import memory
import offers
import studio
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from state import WORLD, Knobs, Refused, Row, new_id

app = FastAPI(title="contract peer")
app.include_router(identity.router)
app.include_router(memory.router)
app.include_router(conversation.router)
app.include_router(offers.router)
app.include_router(studio.router)
app.include_router(administration.router)
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "PUT"], allow_headers=["*"])


def _problem(status: int, code: str, detail: str) -> JSONResponse:
    request_id = new_id()
    body = {
        "type": "about:blank",
        "title": code,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id,
    }
    headers = {"Retry-After": "30"} if status == 429 else {}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


@app.exception_handler(Refused)
async def refused(_request: Request, error: Refused) -> JSONResponse:
    return _problem(error.status, error.code, error.detail)


@app.exception_handler(RequestValidationError)
async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
    return _problem(422, "invalid_request", str(error.errors()[:1]))


@app.middleware("http")
async def watch(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    path = request.url.path
    if path not in ("/control", "/calls", "/health"):
        if WORLD.knobs.down:
            return _problem(503, "unavailable", "Down on purpose.")
        await asyncio.sleep(WORLD.knobs.slow_reads if request.method == "GET" else 0)
    response = await call_next(request)
    call = {"method": request.method, "path": path, "query": request.url.query, "status": response.status_code}
    WORLD.calls.append(call | {"at": time.time()})
    return response


@app.get("/health")
async def health() -> Row:
    return {"status": "ok"}


@app.post("/control")
async def control(wanted: Row) -> Row:
    for name, value in wanted.items():
        if not hasattr(Knobs, name):
            raise Refused(422, "knob_unknown", name)
        setattr(WORLD.knobs, name, value)
    return asdict(WORLD.knobs)


@app.get("/calls")
async def calls(prefix: str = "") -> Row:
    return {"calls": [call for call in WORLD.calls if call["path"].startswith(prefix)]}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
