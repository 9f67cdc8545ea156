"""Somebody to measure with: signed up through the HTTP API like everybody."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx


@dataclass(frozen=True)
class Somebody:
    """A signed-in person."""

    http: httpx.Client
    token: str

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The decoded answer; anything but a 2xx fails."""
        answer = self.http.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    def get(self, path: str) -> Any:
        """The decoded answer; anything but a 2xx fails."""
        answer = self.http.get(path)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def somebody(url: str) -> Generator[Somebody]:
    """Sign up and in."""
    with httpx.Client(base_url=url, timeout=60) as http:
        answer = http.post(
            "/auth/v1/signup", json={"email": f"bench-{uuid4().hex[:10]}@example.com", "password": "마루 bench 4711"}
        )
        answer.raise_for_status()
        token = answer.json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield Somebody(http, token)
