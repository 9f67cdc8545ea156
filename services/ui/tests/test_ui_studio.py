"""Forms made from schemas, the ways files and events may go, and sums in words, without a browser."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.contracts.runners import CommandParams, DiffusersParams, ImageParams
from starlette.applications import Starlette
from starlette.testclient import TestClient
from ui.core.studio import FileFilter, RunnerWorkers, Workers
from ui.edge.live import live_route
from ui.edge.media import media_route
from ui.parts.studio_schema import Field, fields, lacking
from ui.parts.studio_words import money

_IMAGE = ImageParams.model_json_schema()


def _fields(schema: dict[str, Any]) -> dict[str, Field]:
    return {one.name: one for one in fields(schema)}


def test_each_kind_of_setting_becomes_its_own_kind_of_field() -> None:
    kinds = {name: one.kind for name, one in (_fields(_IMAGE) | _fields(DiffusersParams.model_json_schema())).items()}
    assert kinds["operation"] == "choice"
    assert kinds["scale"] == "number"
    assert kinds["quality"] == "whole"
    assert kinds["color"] == "color"
    assert kinds["model"] == "text"
    assert kinds["prompt"] == "paragraph"
    assert kinds["extra"] == "mapping"
    assert _fields({"properties": {"on": {"type": "boolean"}}})["on"].kind == "flag"


def test_a_range_that_fits_slides_and_stays_within_what_is_taken() -> None:
    image = _fields(_IMAGE)
    assert image["scale"].slides
    assert image["quality"].slides
    assert not image["width"].slides
    scale = image["scale"]
    assert scale.low is not None
    ImageParams(scale=scale.low)
    ImageParams(scale=scale.high or 0)


@pytest.mark.parametrize(
    ("operation", "asked"),
    [
        ("grayscale", {"operation", "format"}),
        ("upscale", {"operation", "format", "scale"}),
        ("resize", {"operation", "format", "width", "height", "fit"}),
        ("pad", {"operation", "format", "width", "height", "color"}),
    ],
)
def test_a_form_shows_what_matters_for_the_operation(operation: str, asked: set[str]) -> None:
    chosen = {"operation": operation, "format": "same"}
    assert {one.name for one in fields(_IMAGE) if one.matters(chosen)} == asked


def test_what_depends_on_a_choice_comes_after_it() -> None:
    for model in (ImageParams, DiffusersParams, CommandParams):
        seen: set[str] = set()
        for one in fields(model.model_json_schema()):
            assert set(one.matters_for or {}) <= seen
            seen.add(one.name)


def test_a_resize_without_a_size_lacks_one() -> None:
    assert lacking(_IMAGE, {"operation": "resize"}) == [["width", "height"]]
    assert lacking(_IMAGE, {"operation": "resize", "height": 10}) == []
    assert lacking(_IMAGE, {"operation": "grayscale"}) == []


def test_required_settings_are_known() -> None:
    assert _fields(DiffusersParams.model_json_schema())["model"].required
    assert not _fields(_IMAGE)["operation"].required


@given(st.integers(min_value=0, max_value=10**12))
def test_money_is_never_rounded_to_nothing(micros: int) -> None:
    shown = money(micros)
    assert shown.startswith("$")
    assert micros < 50 or micros == 0 or float(shown[1:].replace(",", "")) > 0


def test_a_filter_says_only_what_narrows() -> None:
    assert FileFilter("s").conditions() == {"kind": "photo"}
    assert FileFilter("s", name="a", until="2026-01-01").conditions() == {
        "kind": "photo",
        "query": "a",
        "to": "2026-01-01",
    }


def test_workers_that_take_everything_count_for_every_runner() -> None:
    workers = Workers(online=3, busy=0, any_runner=1, by_runner=[RunnerWorkers(runner="image", online=2)])
    assert (workers.able("image"), workers.able("diffusers")) == (3, 1)


_JOB = "01a1fe92-c3d0-7393-b7be-2d330ad17ae2"


@pytest.mark.parametrize(
    "path",
    [
        f"/live/api/v1/jobs/{_JOB}/events",
        f"/live/api/v1/jobs/{_JOB}",
        f"/live/api/v1/jobs/{_JOB}/tasks",
        f"/live/api/v1/jobs/{_JOB}/events/../cancel",
        f"/live/api/v1/streams/{_JOB}",
        f"/live/api/v1/jobs/{_JOB}/events?after=1%0d%0aX-Evil:1",
        "/live/https://evil.example/events",
        f"/file/api/v1/tasks/{_JOB}/retry",
        f"/file/api/v1/jobs/{_JOB}/results.zip",
    ],
)
def test_a_cookie_is_spent_on_nothing_but_files_and_events(path: str) -> None:
    """Without a gateway behind it, whatever passed the gate would be a 503."""
    app = Starlette(routes=[live_route(), media_route()])
    cookies = {} if path.endswith("/events") else {"maru_session": "somebody"}
    with TestClient(app, cookies=cookies) as client:
        assert client.get(path).status_code == 404
