"""The commands ``holdfast load …``: measured load on a running market, and searches for wrong answers under stress."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.command_line import fail, load_settings
from cli.load import purchases_under_faults as purchasing
from cli.load.contention import contend as contention
from cli.load.http_sessions import LoadError
from cli.status import NotRunningError, with_database

app = typer.Typer(no_args_is_help=True, help="Load on a running market: measured, or to look for wrong answers.")

Faults = Annotated[float, typer.Option(min=0, max=1, help="how likely each of the sandbox's faults is")]
Seed = Annotated[int, typer.Option(help="for the same choices again")]


@app.command()
def purchases_under_faults(
    *,
    purchases: Annotated[int, typer.Option(min=1, max=1_000_000, help="how many to make")] = 200,
    buyers: Annotated[int, typer.Option(min=1, max=500, help="how many buy at a time")] = 16,
    faults: Faults = 0.0,
    seed: Seed = 1,
) -> None:
    """Buy tickets while the sandbox fails on demand, and say what came of it. Exits with 1 after a wrong answer."""
    try:
        settings = with_database(load_settings())
        result = asyncio.run(purchasing.run(settings, purchasing.Plan(purchases, buyers, faults, seed)))
    except (NotRunningError, LoadError, OSError) as error:
        fail(str(error), exit_code=1)
    purchasing.show(result, Console(highlight=False))
    if result.wrong:
        raise typer.Exit(1)


@app.command()
def contend(  # noqa: PLR0913 - options
    history: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="where all is written down")],
    *,
    seconds: Annotated[float, typer.Option(min=1, max=86_400, help="for how long")] = 30.0,
    tickets: Annotated[int, typer.Option(min=1, max=1_000, help="how many are contended for")] = 6,
    buyers: Annotated[int, typer.Option(min=1, max=500, help="how many contend")] = 16,
    faults: Faults = 0.0,
    seed: Seed = 1,
) -> None:
    """Have many people contend for few tickets, and write down every call and answer for `holdfast check-history`."""
    plan = contention.Plan(history, seconds, tickets, buyers, faults, seed)
    try:
        seen = asyncio.run(contention.run(with_database(load_settings()), plan))
    except (NotRunningError, LoadError, OSError) as error:
        fail(str(error), exit_code=1)
    contention.show(seen, plan, Console(highlight=False))
    if seen.wrong:
        raise typer.Exit(1)
