"""Who asks: a worker, by its token."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from shared.studio.worker_tokens import parse

from inference.errors import WorkerTokenInvalid
from inference.queue import Credentials


class WorkerBearer(SecurityBase):
    """Reads the token. Whether it holds is asked in the same round trip as what it is shown for."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="A worker token, `wk_…`")
        self.scheme_name = "WorkerToken"

    async def __call__(self, request: Request) -> Credentials:
        """The credentials; what cannot be a worker's token is refused here."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        parsed = parse(token.strip()) if scheme.lower() == "bearer" else None
        if parsed is None:
            raise WorkerTokenInvalid
        return Credentials(*parsed)


Bearer = Annotated[Credentials, Depends(WorkerBearer())]
