"""The database of a home for one command: the running one, or one that is started for the moment."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from maru.home import Home
from maru.postgres import EmbeddedPostgres
from maru.postgres.schema import migrate

DsnOf = Callable[[str], str]


@contextmanager
def database_of(home: Home, env: Mapping[str, str]) -> Generator[DsnOf]:
    """Yield the address for a role (`postgres` is the owner). With `DATABASE_URL` every role is whoever that names."""
    from shared.secret_values import resolved

    env = resolved(env)
    owner = env.get("MARU_OWNER_DATABASE_URL") or env.get("DATABASE_URL")
    if external := env.get("DATABASE_URL") or owner:
        assert owner is not None
        yield lambda role: owner if role == "postgres" else external
        return
    postgres = EmbeddedPostgres(home.folder, dies_with_parent=True)
    if home.owner() is not None:
        yield postgres.dsn
        return
    home.prepare()
    home.lock()
    try:
        postgres.start()
        migrate(postgres.dsn())
        yield postgres.dsn
    finally:
        postgres.stop()
        home.unlock()
