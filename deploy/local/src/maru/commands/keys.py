"""`maru keys`: this installation's own keys. Imported by the command line, so it imports nothing heavy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

keys = typer.Typer(no_args_is_help=True, help="The keys that an installation made for itself.")

_Name = Annotated[str, typer.Argument(help="session, files, auth or callback.")]


@keys.command("list")
def list_keys() -> None:
    """Say which there are, and which of them are being replaced. Nothing of a key is shown."""
    from maru.runtime.rotating import held

    for one in held(_folder()):
        state = "one key" if one.number == 1 else f"{one.number} keys, the newest signs"
        typer.echo(f"{one.kind.name:<9} {state:<26} {one.age_s / 86400:>6.1f} days  for {one.kind.opens}")


@keys.command()
def rotate(name: _Name) -> None:
    """Make a new key that is used from now on; the one before stays valid for what it has signed or sealed."""
    from maru.runtime.rotating import rotate as run

    kind = run(_folder(), name)
    where = "running services use it within half a minute" if kind.live else "it is used from the next start of Maru on"
    after = f"; when its time has passed, `maru keys finish {name}` forgets the one before" if kind.grace_s else ""
    typer.echo(f"There is a new key for {kind.opens}: {where}{after}.")


@keys.command()
def finish(
    name: _Name,
    now: Annotated[
        bool, typer.Option("--now", help="Also while something made with it is still good: it leaked.")
    ] = False,
) -> None:
    """Forget the key before the newest."""
    from maru.runtime.rotating import finish as run

    typer.echo(f"{run(_folder(), name, now=now)} older keys are forgotten.")


def _folder() -> Path:
    from shared.settings import maru_home

    return maru_home(os.environ) / "secrets"
