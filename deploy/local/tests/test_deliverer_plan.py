"""The plan names exactly what the services serve."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import httpx
from api.main import build_app
from hypothesis import given
from hypothesis import strategies as st
from ingest.handlers import FACTS, commands
from ingest.ports import Ports
from maru.home import Home
from maru.runtime.environment import service_variables
from maru.runtime.secrets import LocalSecrets
from shared.deliveries import REDELIVER, ROUTES, TOPICS, Route, attributes


def of(kind: str, service: str) -> set[str]:
    return {route.source for route in ROUTES if route.kind == kind and route.service == service}


def test_every_fact_ingest_listens_to_is_pushed_to_it() -> None:
    assert of("event", "ingest") == set(FACTS)


def test_every_queue_ingest_serves_is_called_and_no_other() -> None:
    # Commands are only built here, never run: their ports are not touched.
    assert of("task", "ingest") == set(commands(cast("Ports", _Untouched())))


async def test_the_gateway_serves_what_it_is_called_for(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    dsns = dict.fromkeys(("api", "ingest", "inference"), "postgresql://maru@/maru?host=/tmp/none")
    app = build_app(service_variables({}, home, LocalSecrets.load(home.secrets), dsns))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://maru.test") as nobody:
        # Who has no token of the deliverer is refused where there is something, and told so where there is not.
        # Commands of `redeliver` call the subscription that they name.
        for path in [route.path for route in ROUTES if route.service == "api" and route.name != REDELIVER]:
            assert (await nobody.post(path, json={})).status_code == 401, path
        assert (await nobody.post("/internal/tasks/none", json={})).status_code == 404


class _Untouched:
    def __getattr__(self, name: str) -> object:
        return self


def test_names_are_unique() -> None:
    assert len({route.name for route in ROUTES}) == len(ROUTES)


@given(st.sampled_from(ROUTES), st.integers(1, 10_000))
def test_waiting_grows_and_stays_within_its_limit(route: Route, attempt: int) -> None:
    assert route.min_backoff_s <= route.backoff_s(attempt) <= route.backoff_s(attempt + 1) <= route.max_backoff_s


def test_every_subscription_is_to_a_topic_that_exists() -> None:
    assert {route.source for route in ROUTES if route.kind == "event"} <= set(TOPICS)


def test_a_fact_carries_what_subscriptions_filter_by_and_nothing_else() -> None:
    body = {"task_id": "1", "status": "done", "file_results": True, "space_id": "2"}
    assert attributes("task.finished", body) == {"file_results": "true", "status": "done"}
    assert attributes("entry.saved", {"entry_id": "1", "status": "done"}) == {}
