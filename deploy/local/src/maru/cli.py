"""The `maru` command. Each command imports what it needs when it runs, so that the command line itself starts at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from maru.commands.fleet import fleet
from maru.commands.keys import keys
from maru.commands.migrate import migrate
from maru.commands.worker import worker

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Maru on this machine.",
    rich_markup_mode=None,
)
admin = typer.Typer(no_args_is_help=True, help="Administrators.")
letters = typer.Typer(no_args_is_help=True, help="Messages that were given up.")
app.add_typer(admin, name="admin")
app.add_typer(letters, name="dead-letters")
app.add_typer(worker, name="worker")
app.add_typer(fleet, name="fleet")
app.add_typer(migrate, name="migrate")
app.add_typer(keys, name="keys")


@app.command()
def up(
    ui: Annotated[bool, typer.Option("--ui/--no-ui", help="Start the web app too.")] = True,
    workers: Annotated[int, typer.Option(min=0, help="Workers to start on this machine.")] = 1,
    demo: Annotated[bool, typer.Option("--demo", help="Fill an empty Maru with a year of a household.")] = False,
) -> None:
    """Start everything on this machine, and keep it running."""
    from maru.runtime.up import Options
    from maru.runtime.up import up as run

    raise typer.Exit(run(Options(ui=ui, workers=workers, demo=demo), os.environ))


@app.command()
def deliver() -> None:
    """Deliver events and tasks, and sweep each minute, beside services that run elsewhere (compose, one host)."""
    from shared.secret_values import process_environment

    from maru.runtime.deliver import deliver as run

    raise typer.Exit(run(process_environment(), lambda line: typer.echo(f"maru: {line}", err=True)))


@app.command()
def doctor() -> None:
    """Look at every engine and service; say what is wrong and what to do."""
    from maru.commands.doctor import examine
    from maru.commands.findings import render

    raise typer.Exit(0 if render(examine(os.environ), typer.echo) else 1)


@admin.command("create")
def admin_create(
    email: str,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Make an administrator; an account of that address is promoted."""
    from maru.commands.admin import create_admin

    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    user_id = create_admin(email, password, os.environ)
    typer.echo(f"{email} is an administrator ({user_id})")


@letters.command("list")
def letters_list() -> None:
    """Show them, the newest first."""
    from maru.commands.letters import list_letters

    for letter in list_letters(os.environ):
        typer.echo(
            f"{letter.id}  {letter.died_at:%Y-%m-%d %H:%M}  {letter.subscription}  after {letter.attempts} attempts: {letter.cause}"
        )


@letters.command("retry")
def letters_retry(
    ids: Annotated[list[int] | None, typer.Argument(help="Which; all when none is named.")] = None,
) -> None:
    """Try them again from the first attempt."""
    from maru.commands.letters import retry_letters

    typer.echo(f"{retry_letters(os.environ, ids or [])} are tried again")


@app.command()
def seed(url: Annotated[str, typer.Option(help="The api to write to.")] = "") -> None:
    """Fill a running Maru with a year of Korean and English entries."""
    import asyncio

    from maru.commands.seed import seed_and_say

    well = asyncio.run(seed_and_say(url or _api_url(), typer.echo))
    raise typer.Exit(0 if well else 1)


@app.command("eval")
def evaluate(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Data sets in JSONL; the one that ships when none is named.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="A running api to measure; otherwise one is started for the purpose.")
    ] = None,
    json_to: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file too.")] = None,
) -> None:
    """Measure search and answers through the product's own API."""
    from maru.commands.evaluate import evaluate_and_say

    evaluate_and_say(folders or [], url, json_to, os.environ)


@app.command()
def reindex() -> None:
    """Make the vectors of every entry anew, while search goes on."""
    from maru.commands.reindex import reindex as run

    typer.echo(
        f"{run(os.environ, typer.echo)} entries are indexed anew; `maru doctor` shows how many messages still wait"
    )


@app.command()
def smoke(
    url: Annotated[str, typer.Argument(metavar="[URL]", help="The address of the api.")] = "",
    api_url: Annotated[str, typer.Option(help="The same, as an option.")] = "",
    inference_url: Annotated[str, typer.Option(help="The address of inference, where workers call.")] = "",
    ui_url: Annotated[str, typer.Option(help="The address of the web app.")] = "",
    email: Annotated[
        str,
        typer.Option(envvar="MARU_SMOKE_EMAIL", help="An account to use; one is made and removed unless given."),
    ] = "",
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read its password from standard input; otherwise MARU_SMOKE_PASSWORD."),
    ] = False,
    worker_token: Annotated[
        str, typer.Option(envvar="MARU_WORKER_TOKEN", help="Where no worker is online: work one task oneself.")
    ] = "",
    patience: Annotated[float, typer.Option(min=0.01, help="Multiplies every step's time limit.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document at the end.")] = False,
) -> None:
    """Walk a live deployment as a person and a worker would, say what works, and leave no trace."""
    from maru.commands.smoke import smoke as run
    from maru.smoke import Options

    known = os.environ.get("MARU_SMOKE_PASSWORD", "")
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else known if email else ""
    options = Options(url or api_url, inference_url, ui_url, email, password, worker_token, patience)
    raise typer.Exit(run(options, typer.echo, as_json=as_json))


@app.command()
def backup(
    to: Annotated[Path, typer.Argument(metavar="TO", help="A folder that does not exist yet.")],
    secrets: Annotated[
        bool, typer.Option("--secrets/--no-secrets", help="Take the keys along; without them everybody signs in again.")
    ] = True,
) -> None:
    """Copy an installation to a folder, while it runs: database, files, keys."""
    from maru.backup import take

    report = take(to.absolute(), os.environ, lambda line: typer.echo(line, err=True), secrets=secrets)
    if secrets:
        typer.echo("The keys of this installation are in it: keep it as closed as a password.", err=True)
    typer.echo(f"{report.folder}: {report.files} files, {report.bytes / 2**20:.1f} MiB beside the database")


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="A folder that `maru backup` wrote.")],
    check: Annotated[bool, typer.Option("--check", help="Only read it, and say whether it is whole.")] = False,
) -> None:
    """Make an installation from a backup, in an empty MARU_HOME."""
    from maru.backup import restore as run
    from maru.backup.restoring import check as verify

    if check:
        manifest = verify(source.absolute())
        typer.echo(
            f"{source} is whole: {manifest.made_at}, Maru {manifest.maru}, schema {manifest.schema}, {manifest.files} files"
        )
        return
    entries = run(source.absolute(), os.environ, lambda line: typer.echo(line, err=True))
    typer.echo(
        f"It is restored. Start it with `maru up`: {entries} entries are then indexed anew, while search fills up."
    )


@app.command()
def version() -> None:
    """Print the version."""
    from maru.release import release

    typer.echo(f"maru {release()}")


def main() -> None:
    """The entry point."""
    from shared.errors import Problem
    from shared.settings import SettingMissing

    from maru.errors import CannotStart

    try:
        app()
    except (CannotStart, SettingMissing) as reason:
        sys.exit(f"maru: {reason}")
    except Problem as problem:
        sys.exit(f"maru: {problem.detail}")


def _api_url() -> str:
    from shared.settings import ServiceUrls, maru_home

    from maru.home import Home
    from maru.runtime.environment import read_service_env

    return ServiceUrls.from_env({**read_service_env(Home(maru_home(os.environ)).service_env), **os.environ}).api


if __name__ == "__main__":
    main()
