"""What can be run, who is there to run it, and what it would take."""

from fastapi import APIRouter
from identity import Strict, User
from pydantic import Field, ValidationError
from shared.contracts.runners import RUNNERS, model_named
from shared.contracts.studio import Requirements
from state import WORLD, Refused, Row

router = APIRouter()
RUN_S = 1.5
COST = 120


@router.get("/api/v1/runners")
async def runners(user: User) -> Row:
    shown = [
        {
            "name": name,
            "description": (model.__doc__ or "").strip(),
            "params_schema": model.model_json_schema(),
            "workers_online": WORLD.knobs.workers if name == "image" else 0,
        }
        for name, model in RUNNERS.items()
    ]
    return {"runners": shown}


@router.get("/api/v1/workers/summary")
async def summary(user: User) -> Row:
    busy = sum(task["status"] == "processing" for task in WORLD.work.values())
    online = WORLD.knobs.workers
    offered = ["image", "command"] if WORLD.knobs.programs else ["image"]
    by_runner = [{"runner": name, "online": online} for name in offered] if online else []
    return {"online": online, "busy": min(busy, online), "any_runner": 0, "by_runner": by_runner}


def able(runner: str, params: Row) -> int:
    """How many workers would take such a task; programs are taken only under the names that the knob gives."""
    named = model_named(runner, params)
    return WORLD.knobs.workers if named is None or named in WORLD.knobs.programs else 0


def checked(runner: str, params: Row) -> Row:
    if runner not in RUNNERS:
        raise Refused(422, "runner_unknown", "Choose one of GET /api/v1/runners.")
    try:
        return RUNNERS[runner].model_validate(params).model_dump(mode="json")
    except ValidationError as error:
        raise Refused(422, "params_invalid", str(error.errors()[0]["loc"])) from error


class EstimateWanted(Strict):
    runner: str
    requires: Requirements = Field(default_factory=Requirements)
    count: int = Field(ge=1)
    params: Row = Field(default_factory=dict)
    space_id: str | None = None


@router.post("/api/v1/jobs/estimate")
async def estimate(wanted: EstimateWanted, user: User) -> Row:
    checked(wanted.runner, wanted.params)
    online = able(wanted.runner, wanted.params)
    if wanted.runner != "image":
        nothing = {"seconds": None, "cost_micros": None, "basis": "nothing", "tasks_measured": 0}
        return nothing | {"workers_online": online}
    known = {"seconds": wanted.count * RUN_S / max(1, online), "cost_micros": wanted.count * COST}
    return known | {"workers_online": online, "basis": "any_gpu", "tasks_measured": 100}
