"""`maru admin create`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from maru.commands.database import DsnOf, database_of
from maru.errors import CannotStart
from maru.home import Home

if TYPE_CHECKING:
    from api.auth.supabase_admin import SupabaseAccounts


def create_admin(email: str, password: str | None, env: Mapping[str, str]) -> str:
    """Make an administrator, or promote the account of that address; their id."""
    from api.auth.admin import AccountMissing
    from shared.errors import Problem
    from shared.settings import maru_home

    elsewhere = _accounts_elsewhere(env)
    with database_of(Home(maru_home(env)), env) as dsn_of:
        try:
            return asyncio.run(_create(dsn_of, email, password, elsewhere))
        except Problem as refused:
            raise CannotStart(refused.detail) from None
        except AccountMissing as missing:
            raise CannotStart(str(missing)) from None


def _accounts_elsewhere(env: Mapping[str, str]) -> SupabaseAccounts | None:
    """Supabase's, when people sign in there; only the service key opens them."""
    from shared.rotation import current
    from shared.secret_values import resolved
    from shared.settings import AuthSettings

    settings = AuthSettings.from_env(resolved(env))
    if settings.jwks_url is None:
        return None
    if not settings.supabase_service_key:
        raise CannotStart(
            "People sign in with Supabase Auth (SUPABASE_URL), which makes and finds accounts for the project's service key alone: "
            "set SUPABASE_SERVICE_KEY."
        )
    from api.auth.supabase_admin import SupabaseAccounts

    return SupabaseAccounts(settings.issuer, current(settings.supabase_service_key))


async def _create(dsn_of: DsnOf, email: str, password: str | None, elsewhere: SupabaseAccounts | None) -> str:
    from api.auth.admin import create_admin
    from shared.db import Database

    gateway, owner = Database(dsn_of("maru_api"), max_size=2), Database(dsn_of("postgres"), max_size=1)
    try:
        return str(await create_admin(gateway, owner, email, password, elsewhere))
    finally:
        await gateway.close()
        await owner.close()
