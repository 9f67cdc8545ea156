"""The plan names exactly what the services serve."""

from __future__ import annotations

from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from ingest.handlers import FACTS, commands
from ingest.ports import Ports
from maru.deliverer import ROUTES, Route


def of(kind: str, service: str) -> set[str]:
    return {route.source for route in ROUTES if route.kind == kind and route.service == service}


def test_every_fact_ingest_listens_to_is_pushed_to_it() -> None:
    assert of("event", "ingest") == set(FACTS)


def test_every_queue_ingest_serves_is_called_and_no_other() -> None:
    # Commands are only built here, never run: their ports are not touched.
    assert of("task", "ingest") == set(commands(cast("Ports", _Untouched())))


class _Untouched:
    def __getattr__(self, name: str) -> object:
        return self


def test_names_are_unique() -> None:
    assert len({route.name for route in ROUTES}) == len(ROUTES)


@given(st.sampled_from(ROUTES), st.integers(1, 10_000))
def test_waiting_grows_and_stays_within_its_limit(route: Route, attempt: int) -> None:
    assert route.min_backoff_s <= route.backoff_s(attempt) <= route.backoff_s(attempt + 1) <= route.max_backoff_s
