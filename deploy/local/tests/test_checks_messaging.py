"""Terraform's table of who receives what is the one that one machine delivers by, and says when the cloud could not keep it."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from shared.deliveries import ROUTES, TOPICS, queue, subscription

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def messaging() -> ModuleType:
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module("deploy.checks.messaging")
    finally:
        sys.path.remove(str(ROOT))


def test_the_file_that_terraform_reads_is_up_to_date(messaging: ModuleType) -> None:
    assert list(messaging.check(ROOT)) == []


def test_a_file_that_differs_is_told_with_the_command_that_writes_it(messaging: ModuleType, tmp_path: Path) -> None:
    place = tmp_path / messaging.PLACE
    place.parent.mkdir(parents=True)
    place.write_text(messaging.text().replace('"ingest"', '"api"', 1), encoding="utf-8")
    (found,) = messaging.check(tmp_path)
    assert "make messaging" in found


def test_a_file_that_is_missing_is_told(messaging: ModuleType, tmp_path: Path) -> None:
    assert len(list(messaging.check(tmp_path))) == 1


def test_every_route_and_topic_is_there_with_what_it_promises(messaging: ModuleType) -> None:
    written = json.loads(messaging.text())
    assert written["topics"] == sorted(TOPICS)
    assert set(written["subscriptions"]) | set(written["queues"]) == {route.name for route in ROUTES}
    for route in ROUTES:
        if route.kind == "task":
            assert written["queues"][route.name]["max_concurrent_dispatches"] == route.concurrency
        else:
            one = written["subscriptions"][route.name]
            assert (one["topic"], one["service"], one["path"]) == (route.source, route.service, route.path)
            assert (one["ack_deadline_seconds"], one["max_delivery_attempts"]) == (route.deadline_s, route.max_attempts)


def test_a_filter_asks_for_every_attribute(messaging: ModuleType) -> None:
    written = json.loads(messaging.text())
    assert (
        written["subscriptions"]["api.task.finished"]["filter"]
        == 'attributes.file_results = "true" AND attributes.status = "done"'
    )


def test_waiting_between_attempts_grows_to_what_the_route_says_and_not_beyond(messaging: ModuleType) -> None:
    (written,) = [one for name, one in json.loads(messaging.text())["queues"].items() if name == "index-entry"]
    (route,) = [route for route in ROUTES if route.name == "index-entry"]
    grown = route.min_backoff_s * 2.0 ** written["max_doublings"]
    assert route.max_backoff_s / 2 < grown <= route.max_backoff_s
    assert (written["min_backoff"], written["max_backoff"]) == ("0.5s", "60s")


FACT = subscription(TOPICS[0], "api")
COMMAND = queue("command", "api", concurrency=1, deadline_s=60, max_attempts=3)


@pytest.mark.parametrize(
    ("route", "why"),
    [
        (replace(FACT, deadline_s=9), "10 to 600 s"),
        (replace(FACT, deadline_s=601), "10 to 600 s"),
        (replace(FACT, max_attempts=4), "5 to 100 attempts"),
        (replace(FACT, max_attempts=101), "5 to 100 attempts"),
        (replace(FACT, source="nobody.knows"), "is not in TOPICS"),
        (replace(COMMAND, deadline_s=14), "15 s to 30 min"),
        (replace(COMMAND, deadline_s=1801), "15 s to 30 min"),
    ],
    ids=["too hasty", "too patient", "few attempts", "many attempts", "no topic", "hasty command", "patient command"],
)
def test_what_the_cloud_would_refuse_is_told(messaging: ModuleType, route: object, why: str) -> None:
    (found,) = messaging.unfit(route)
    assert why in found


def test_what_the_cloud_takes_is_not_complained_of(messaging: ModuleType) -> None:
    assert [*messaging.unfit(FACT), *messaging.unfit(COMMAND)] == []
