"""The commands of ``holdfast journal``."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, NoReturn

import orjson
import typer
from rich.console import Console
from rich.progress import Progress

from actors.runtime.ports import StoreUnavailableError
from actors.storage.backup_files import BackupError
from actors.storage.schema import UnusableDataError
from cli.command_line import fail, load_settings, silence_logs
from cli.journal import entries, tail
from cli.market_redis import RedisUnusableError
from cli.running_market import NotRunningError
from holdfast.events.event import Event

app = typer.Typer(
    no_args_is_help=True, help="What was committed: as it happens, of one ticket or user, and lost parts."
)

_COMMITS_PER_UPDATE = 1_000
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


@app.callback()
def journal() -> None:
    """Prepare what the commands have in common."""
    silence_logs()


@app.command(name="tail")
def follow(
    *,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="begin there: 2026-11-28T12:00:00Z, or 90s, 10m, 2h, 1d ago")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="a CloudEvent in each line, for programs")] = False,
) -> None:
    """Show events as they are published, until Ctrl-C: time, entity, version and name."""
    try:
        begin = None if since is None else tail.instant_since(since)
    except ValueError as error:
        fail(str(error), exit_code=2)

    def show(event: Event) -> None:
        typer.echo(orjson.dumps(event.structured()) if as_json else tail.line_of(event))

    def warn(line: str) -> None:
        typer.echo(line, err=True)

    try:
        asyncio.run(tail.follow(load_settings(), begin, show, warn))
    except (NotRunningError, RedisUnusableError) as error:
        fail(str(error))
    except StoreUnavailableError as error:
        _fail_without_database(error)
    except KeyboardInterrupt:
        return


@app.command()
def show(
    entity_id: Annotated[
        str, typer.Argument(metavar="ID", help="of a ticket, an order (its ticket is shown), a charge or a user")
    ],
    *,
    archive: Annotated[
        Path | None, typer.Option(metavar="DIR", help="where `holdfast archive` put its files [DATA_DIR/archive]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show all events of one ticket, charge or user: time, entity, version, name, writer, and what it says."""
    try:
        settings = load_settings()
        found = asyncio.run(entries.events_of(settings, entity_id, archive or settings.archive_dir))
    except (NotRunningError, LookupError, BackupError, UnusableDataError) as error:
        fail(str(error))
    except StoreUnavailableError as error:
        _fail_without_database(error)
    if as_json:
        typer.echo(json.dumps([entries.as_json(record) for record in found]))
        return
    for record in found:
        typer.echo(entries.line_of(record))


@app.command()
def check(*, as_json: AsJson = False) -> None:
    """Check that no version is lost of anything in the journal. Exits with 1 when one is."""
    read = 0
    console = Console(stderr=True)
    with Progress(transient=True, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("commits")

        def on_read(done: int, total: int) -> None:
            nonlocal read
            read = done
            if done % _COMMITS_PER_UPDATE == 0:
                bar.update(task, completed=done, total=max(done, total))

        try:
            found = asyncio.run(entries.gaps(load_settings(), on_read))
        except (NotRunningError, UnusableDataError) as error:
            fail(str(error))
        except StoreUnavailableError as error:
            _fail_without_database(error)
    if as_json:
        typer.echo(json.dumps({"commits": read, "gaps": found}))
    else:
        for entity in found:
            typer.echo(f"{entity} lacks a version")
        typer.echo(f"{read:,} commits: {f'{len(found)} with gaps' if found else 'no gaps'}")
    if found:
        raise typer.Exit(1)


def _fail_without_database(error: StoreUnavailableError) -> NoReturn:
    fail(f"the journal could not be read ({error}): start the database, or set MONGODB_URL to where it is")
