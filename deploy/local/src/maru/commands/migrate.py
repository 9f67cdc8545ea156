"""`maru migrate`: the schema of a database, for a deployment that brings its own. Imported by the command line, so it imports nothing heavy."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

migrate = typer.Typer(no_args_is_help=True, help="The schema of a database, step by step.")

_Phase = Annotated[
    Literal["pre", "post"] | None,
    typer.Option(help="pre: before new code serves; post: when no old code serves any more. Both unless given."),
]
_LockTimeout = Annotated[
    float, typer.Option(min=0.1, help="Seconds a step waits for a table before it is tried again.")
]
_StatementTimeout = Annotated[float, typer.Option(min=1, help="Seconds one statement may take.")]


@migrate.command()
def up(
    phase: _Phase = None,
    to: Annotated[
        str | None, typer.Option(metavar="REV", help="The last step to run; the newest unless given.")
    ] = None,
    set_passwords: Annotated[
        bool,
        typer.Option(
            "--set-passwords", help="Then give the login roles the passwords of MARU_API_PASSWORD and its like."
        ),
    ] = False,
    passwords_stdin: Annotated[
        bool,
        typer.Option("--passwords-stdin", help='Then give the login roles those on standard input: {"maru_api": "…"}.'),
    ] = False,
    lock_timeout: _LockTimeout = 5,
    statement_timeout: _StatementTimeout = 900,
) -> None:
    """Run the steps that are missing. Running it again changes nothing."""
    from shared.secret_values import process_environment

    from maru.commands.migrating import Migrator, passwords_of

    passwords = passwords_of(
        process_environment(), sys.stdin if passwords_stdin else None, from_variables=set_passwords
    )
    migrator = Migrator.from_env(process_environment(), lock_timeout, statement_timeout)
    for step in migrator.up(phase, to):
        typer.echo(f"{step.revision}  {step.phase:<4}  {step.title}")
    typer.echo(f"The schema is at {migrator.current() or 'nothing'}.")
    for role in migrator.give_passwords(passwords):
        typer.echo(f"{role} has its password.")


@migrate.command()
def down(
    to: Annotated[str, typer.Option(metavar="REV", help="The step to go back to, or `base`.")],
    lock_timeout: _LockTimeout = 5,
    statement_timeout: _StatementTimeout = 900,
) -> None:
    """Undo every step after REV. What those steps made is dropped with everything it holds."""
    from shared.secret_values import process_environment

    from maru.commands.migrating import Migrator

    migrator = Migrator.from_env(process_environment(), lock_timeout, statement_timeout)
    for step in migrator.down(to):
        typer.echo(f"{step.revision}  undone  {step.title}")
    typer.echo(f"The schema is at {migrator.current() or 'nothing'}.")


@migrate.command()
def status() -> None:
    """Say which steps have run, and which wait for what. Ends with 3 when some wait."""
    from shared.secret_values import process_environment

    from maru.commands.migrating import Migrator

    waiting = 0
    for line in Migrator.from_env(process_environment()).status():
        typer.echo(f"{line.step.revision}  {line.step.phase:<4}  {line.state:<7}  {line.step.title}{line.why}")
        waiting += line.state == "waits"
    raise typer.Exit(3 if waiting else 0)
