"""The `maru` command. Each command imports what it needs when it runs, so that the command line itself starts at once."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Maru on this machine."
)
admin = typer.Typer(no_args_is_help=True, help="Administrators.")
letters = typer.Typer(no_args_is_help=True, help="Messages that were given up.")
app.add_typer(admin, name="admin")
app.add_typer(letters, name="dead-letters")


@app.command()
def up(
    ui: Annotated[bool, typer.Option("--ui/--no-ui", help="Start the web app too.")] = True,
    workers: Annotated[int, typer.Option(min=0, help="CPU workers to start.")] = 0,
    demo: Annotated[bool, typer.Option("--demo", help="Fill an empty Maru with a year of a household.")] = False,
) -> None:
    """Start everything on this machine, and keep it running."""
    from maru.runtime.up import Options
    from maru.runtime.up import up as run

    raise typer.Exit(run(Options(ui=ui, workers=workers, demo=demo), os.environ))


def main() -> None:
    """The entry point."""
    from maru.errors import CannotStart

    try:
        app()
    except CannotStart as reason:
        sys.exit(f"maru: {reason}")


if __name__ == "__main__":
    main()
