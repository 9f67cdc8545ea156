"""How a route finds its slice's service: by type, in a registry that the composition root fills."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from starlette.requests import Request

T = TypeVar("T")


class ServiceRegistry:
    """One instance for each service type."""

    def __init__(self) -> None:
        self._services: dict[type[Any], Any] = {}

    def add(self, service: object) -> None:
        """Register a service under its own type."""
        self._services[type(service)] = service

    def get(self, kind: type[T]) -> T:
        """The service of this type."""
        service: T = self._services[kind]
        return service


def provided(kind: type[T]) -> Callable[[Request], Awaitable[T]]:
    """A FastAPI dependency: `Service = Annotated[EntryService, Depends(provided(EntryService))]`."""

    async def find(request: Request) -> T:
        registry: ServiceRegistry = request.app.state.services
        return registry.get(kind)

    return find
