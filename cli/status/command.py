"""The command ``holdfast status``."""

import asyncio
import json
from typing import Annotated

import typer
from rich.console import Console

from cli.command_line import fail, load_settings, silence_logs
from cli.running_market import NotRunningError, RayAddress, ray_of
from cli.status import tables
from cli.status.collector import Collector
from cli.status.document import Status
from config.settings import Settings

Address = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Ray's address; otherwise that of the market on DATA_DIR")
]


def status(
    *,
    address: Address = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Show how the market is now: actors, replicas, servers, event consumers, duties, purchases that wait.

    Exits with 1 when something is away or silent, and says what.
    """
    silence_logs()
    found = asyncio.run(_collect(load_settings(), address))
    if as_json:
        typer.echo(json.dumps(found))
    else:
        Console().print(tables.whole(found))
    if found["problems"]:
        raise typer.Exit(1)


def place_of(settings: Settings, address: str | None) -> RayAddress:
    """Return where the market's Ray is, or end the command with a line that says how to start one."""
    try:
        return ray_of(settings, address)
    except NotRunningError as error:
        fail(str(error))


async def _collect(settings: Settings, address: str | None) -> Status:
    collector = Collector(settings, place_of(settings, address))
    try:
        return await collector.collect()
    finally:
        await collector.close()
