"""Bad input, everywhere: generated requests against every operation of the running product find no 5xx and nothing undocumented."""

from __future__ import annotations

import random
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

pytestmark = [pytest.mark.serial, pytest.mark.xdist_group("product")]

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# What ends the session that everything else needs, or follows a stream for as long as it lasts.
NOT_AS_ME = {"POST /auth/v1/logout", "DELETE /api/v1/ui/sessions"}
EXAMPLES = 12
ANSWERS_WITHIN_S = 20


@pytest.fixture
def me(product: Any) -> Any:
    with httpx.Client(base_url=product.api_url, timeout=30, trust_env=False) as client:
        credentials = {"email": f"{uuid4().hex[:12]}@maru.example", "password": "a long enough phrase"}
        token = client.post("/auth/v1/signup", json=credentials).json()["access_token"]
        client.headers["authorization"] = f"Bearer {token}"
        yield client


def known_ids(client: httpx.Client) -> dict[str, list[str]]:
    """Things that are really there, so that not every generated path ends in a 404."""
    entry = client.post("/api/v1/entries", json={"kind": "note", "body": "바람 부는 마루. A windy hall."}).json()
    conversation = client.post("/api/v1/conversations", json={}).json()
    space = client.post("/api/v1/spaces", json={"name": "가족"}).json()
    person = client.post("/api/v1/people", json={"name": "지우"}).json()
    upload = client.post("/api/v1/uploads", json={"filename": "a.txt", "content_type": "text/plain", "size": 3}).json()
    # Cancelled, so that its events end.
    job = client.post("/api/v1/jobs", json={"name": "x", "runner": "image"}).json()
    client.post(f"/api/v1/jobs/{job['id']}/enqueue", json={"count": 1})
    client.post(f"/api/v1/jobs/{job['id']}/cancel")
    task = client.get(f"/api/v1/jobs/{job['id']}/tasks").json()["tasks"][0]
    return {
        "job_id": [job["id"]],
        "task_id": [task["id"]],
        "entry_id": [entry["id"]],
        "stream_id": [entry["stream_id"]],
        "conversation_id": [conversation["id"]],
        "space_id": [space["id"]],
        "person_id": [person["id"]],
        "upload_id": [upload["id"]],
    }


def exercise(case: Case, base: str, token: str, known: dict[str, list[str]], chance: random.Random) -> None:
    for name, ids in known.items():
        if name in case.path_parameters and chance.random() < 0.5:
            case.path_parameters[name] = ids[0]
    with requests.Session() as session:
        session.trust_env = False
        response = case.call(
            base_url=base, session=session, headers={"Authorization": f"Bearer {token}"}, timeout=ANSWERS_WITHIN_S
        )
    case.validate_response(response, checks=CHECKS)


def test_every_operation_meets_its_own_description(me: httpx.Client, product: Any) -> None:
    document = me.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    token = me.headers["authorization"].removeprefix("Bearer ")
    known, chance, failures, seen = known_ids(me), random.Random(20_261_121), [], 0
    started = time.monotonic()
    for result in schema.get_all_operations():
        operation = result.ok()
        name = f"{operation.method.upper()} {operation.path}"
        if name in NOT_AS_ME:
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
                run(strategy, lambda case: exercise(case, product.api_url, token, known, chance))
            except Unsatisfiable:
                # It takes nothing that could be wrong.
                continue
            except Exception as failure:  # noqa: BLE001 - all operations are tried before the test fails
                failures.append(f"{name} ({mode.name.lower()}): {failure}")
        seen += 1
    assert not failures, f"{len(failures)} of {seen} in {time.monotonic() - started:.0f} s\n\n" + "\n\n".join(failures)
    assert seen > 40


def run(strategy: Any, body: Any) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def each(case: Case) -> None:
        body(case)

    each()
