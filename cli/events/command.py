"""The commands of ``holdfast events``."""

import asyncio
import json
from typing import Annotated

import typer
from rich.console import Console

from cli.command_line import fail, load_settings, silence_logs
from cli.events import dead
from cli.events import groups as reading
from cli.market_redis import RedisUnusableError
from cli.running_market import NotRunningError
from holdfast.events import GroupStatus

app = typer.Typer(no_args_is_help=True, help="The groups that read the event stream, and what they could not handle.")
app.add_typer(dead.app, name="dead")

AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


@app.callback()
def events() -> None:
    """Prepare what the commands have in common."""
    silence_logs()


@app.command()
def groups(*, as_json: AsJson = False) -> None:
    """Show each group: living members, events in their hands, age of the oldest unacknowledged one, dead letters."""
    found = _statuses()
    if as_json:
        typer.echo(json.dumps([reading.as_json(status) for status in found]))
    elif not found:
        typer.echo("no group reads the event stream")
    else:
        Console().print(reading.table(found))


@app.command()
def lag(
    *,
    group: Annotated[str | None, typer.Option(metavar="G", help="this group only")] = None,
    at_most: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="exit with 1 if a group is further behind")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how many seconds each group is behind: the age of its oldest unacknowledged event. The worst comes first."""
    found = sorted(_statuses(group), key=lambda status: -status.age_seconds)
    if as_json:
        typer.echo(json.dumps({status.group: status.age_seconds for status in found}))
    for status in found if not as_json else []:
        typer.echo(f"{status.age_seconds:10.1f} s  {status.group}")
    if at_most is not None and any(status.age_seconds > at_most for status in found):
        raise typer.Exit(1)


def _statuses(group: str | None = None) -> list[GroupStatus]:
    try:
        return asyncio.run(reading.statuses(load_settings(), group))
    except (NotRunningError, RedisUnusableError, reading.NoSuchGroupError) as error:
        fail(str(error))
