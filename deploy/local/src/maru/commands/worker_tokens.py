"""`maru worker token`: what lets a worker in, made and taken back without the web."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from maru.commands.database import database_of
from maru.errors import CannotStart
from maru.home import Home

if TYPE_CHECKING:
    from api.workers.schemas import MadeWorkerToken, WorkerToken
    from api.workers.service import WorkerTokenService
    from pydantic import ValidationError

Answer = TypeVar("Answer")


def create_token(
    env: Mapping[str, str], name: str, days: int | None, spaces: Sequence[str], runners: Sequence[str], price: float
) -> MadeWorkerToken:
    """Make a token; its secret is in the answer and nowhere else."""
    from api.workers.schemas import NewWorkerToken
    from pydantic import ValidationError

    wish = {"name": name, "space_ids": spaces or None, "runners": runners or None, "price_per_hour": price}
    try:
        new = NewWorkerToken.model_validate(wish | ({} if days is None else {"expires_in_days": days}))
    except ValidationError as error:
        raise CannotStart(_first(error)) from None
    return _with_service(env, lambda service: service.create(new, None))


def list_tokens(env: Mapping[str, str]) -> list[WorkerToken]:
    """All of them, the newest first."""
    return _with_service(env, lambda service: service.newest()).worker_tokens


def rotate_token(env: Mapping[str, str], token_id: str, days: int | None, grace_hours: float | None) -> MadeWorkerToken:
    """Another secret for a token; the one before stays valid for a while."""
    from api.workers.schemas import Rotation
    from pydantic import ValidationError

    given = {"expires_in_days": days, "grace_hours": grace_hours}
    try:
        how = Rotation.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise CannotStart(_first(error)) from None
    return _with_service(env, lambda service: service.rotate(token_id, how))


def revoke_token(env: Mapping[str, str], token_id: str) -> None:
    """End a token at once."""
    _with_service(env, lambda service: service.revoke(token_id))


def _with_service(env: Mapping[str, str], work: Callable[[WorkerTokenService], Awaitable[Answer]]) -> Answer:
    from shared.settings import maru_home

    async def run(dsn: str) -> Answer:
        from api.workers.service import WorkerTokenService
        from shared.db import Database

        database = Database(dsn, max_size=1)
        try:
            return await work(WorkerTokenService(database))
        finally:
            await database.close()

    with database_of(Home(maru_home(env)), env) as dsn_of:
        return asyncio.run(run(dsn_of("maru_api")))


def _first(error: ValidationError) -> str:
    """One sentence about the first thing that does not fit."""
    problem = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
