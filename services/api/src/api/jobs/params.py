"""Whether a runner takes what a job brings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from shared.contracts.runners import RUNNERS, model_named

from api.jobs.errors import ParamsInvalid, ParamsTooLarge
from api.jobs.limits import MOST_ITEM_PARAMS_BYTES, MOST_PARAMS_BYTES

if TYPE_CHECKING:
    from shared.contracts.studio import Requirements


def check_params(runner: str, params: dict[str, Any]) -> None:
    """Raise `ParamsInvalid` when a runner that is known here does not take these; others are their workers' to judge."""
    _check_size(params, MOST_PARAMS_BYTES, "params")
    _check(runner, params, "params")


def check_item_params(runner: str, params: dict[str, Any], items: list[dict[str, Any] | None]) -> None:
    """The same for each task, whose own parameters go over the job's."""
    for number, item in enumerate(items):
        if item:
            _check_size(item, MOST_ITEM_PARAMS_BYTES, f"item_params.{number}")
            _check(runner, params | item, f"item_params.{number}")


def requirements(runner: str, asked: Requirements, params: dict[str, Any]) -> Requirements:
    """What was asked for, and the model that the parameters name unless another one was asked for."""
    return asked.model_copy(update={"model": asked.model or model_named(runner, params)})


def _check(runner: str, params: dict[str, Any], place: str) -> None:
    taken = RUNNERS.get(runner)
    if taken is None:
        return
    try:
        taken.model_validate(params)
    except ValidationError as invalid:
        found = invalid.errors(include_url=False, include_context=False, include_input=False)
        errors = [{"field": ".".join((place, *map(str, error["loc"]))), "message": error["msg"]} for error in found]
        raise ParamsInvalid(
            f"{errors[0]['field']}: {errors[0]['message']}. `GET /api/v1/runners` says what `{runner}` takes.",
            errors=errors,
        ) from invalid


def _check_size(params: dict[str, Any], most: int, place: str) -> None:
    if len(json.dumps(params, ensure_ascii=False)) > most:
        raise ParamsTooLarge(
            f"{place}: at most {most // 1024} KiB of JSON. Upload data as files and name them as inputs."
        )
