"""`maru worker`: the commands of whoever lends a machine. Imported by the command line, so it imports nothing heavy."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from api.workers.schemas import MadeWorkerToken

worker = typer.Typer(no_args_is_help=True, help="Workers, and the tokens that let them in.")
token = typer.Typer(no_args_is_help=True, help="Worker tokens.")
worker.add_typer(token, name="token")

_ExpiresDays = Annotated[int | None, typer.Option("--expires-days", help="Days until it ends; 90 unless given.")]


@token.command("create")
def token_create(
    name: Annotated[str, typer.Option(help="What it is called in lists.")],
    expires_days: _ExpiresDays = None,
    space: Annotated[list[str] | None, typer.Option(help="A space it may work for; all unless given.")] = None,
    runner: Annotated[list[str] | None, typer.Option(help="A runner it may run; all unless given.")] = None,
    price_per_hour: Annotated[float, typer.Option(help="What its machine costs, in US dollars.")] = 0,
) -> None:
    """Make a token and print it, once, alone on standard output."""
    from maru.commands.worker_tokens import create_token

    _tell(create_token(os.environ, name, expires_days, space or [], runner or [], price_per_hour))


@token.command("list")
def token_list() -> None:
    """Show them, the newest first, without secrets."""
    from maru.commands.worker_tokens import list_tokens

    for one in list_tokens(os.environ):
        until = max((version.expires_at for version in one.versions), default=None)
        state = "revoked" if one.revoked_at else f"until {until:%Y-%m-%d}" if until else "expired"
        used = f"used {one.last_used_at:%Y-%m-%d %H:%M}" if one.last_used_at else "never used"
        typer.echo(f"{one.id}  {state:<16}  {used:<21}  {one.name}")


@token.command("rotate")
def token_rotate(
    token_id: str,
    expires_days: _ExpiresDays = None,
    grace_hours: Annotated[
        float | None, typer.Option(help="Hours for which the one before stays valid; 24 unless given.")
    ] = None,
) -> None:
    """Give a token another secret and print it, once, alone on standard output."""
    from maru.commands.worker_tokens import rotate_token

    _tell(rotate_token(os.environ, token_id, expires_days, grace_hours))


@token.command("revoke")
def token_revoke(token_id: str) -> None:
    """End a token at once."""
    from maru.commands.worker_tokens import revoke_token

    revoke_token(os.environ, token_id)
    typer.echo(f"{token_id} is revoked: its workers are refused from their next call on", err=True)


@worker.command(
    "run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def run(context: typer.Context) -> None:
    """Work on this machine: `python -m worker` with these options (`maru worker run --help` lists them)."""
    # The process becomes the worker, so that signals and the exit status are the worker's own.
    os.execv(sys.executable, [sys.executable, "-m", "worker", *context.args])  # noqa: S606 - our own program


def _tell(made: MadeWorkerToken) -> None:
    until = max(version.expires_at for version in made.versions)
    typer.echo(
        f"{made.name} ({made.id}) lets workers in until {until:%Y-%m-%d}. It is shown this once; keep it like a password.\n"
        "On the machine that works: MARU_INFERENCE_URL=… MARU_WORKER_TOKEN=… maru worker run",
        err=True,
    )
    typer.echo(made.token)
