"""`maru admin create`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from maru.commands.database import DsnOf, database_of
from maru.errors import CannotStart
from maru.home import Home


def create_admin(email: str, password: str | None, env: Mapping[str, str]) -> str:
    """Make an administrator, or promote the account of that address; their id."""
    from api.auth.admin import AccountMissing
    from shared.errors import Problem
    from shared.settings import maru_home

    with database_of(Home(maru_home(env)), env) as dsn_of:
        try:
            return asyncio.run(_create(dsn_of, email, password))
        except Problem as refused:
            raise CannotStart(refused.detail) from None
        except AccountMissing as missing:
            raise CannotStart(str(missing)) from None


async def _create(dsn_of: DsnOf, email: str, password: str | None) -> str:
    from api.auth.admin import create_admin
    from shared.db import Database

    gateway, owner = Database(dsn_of("maru_api"), max_size=2), Database(dsn_of("postgres"), max_size=1)
    try:
        return str(await create_admin(gateway, owner, email, password))
    finally:
        await gateway.close()
        await owner.close()
