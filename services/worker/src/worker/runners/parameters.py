"""What a job says, as the runner's model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from worker.runners.protocol import RunFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

P = TypeVar("P", bound=BaseModel)


def validated(model: type[P], params: Mapping[str, Any]) -> P:
    """The parameters. Raises `RunFailed` with the first one that does not fit."""
    try:
        return model.model_validate(params)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RunFailed("invalid_params", f"params.{place}: {first['msg']}.") from error
