"""The commands ``holdfast load …``: measured load on a running market, and searches for wrong answers under stress."""

import asyncio
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from cli.command_line import fail, load_settings, silence_logs
from cli.load import purchases_under_faults as purchasing
from cli.load.contention import contend as contention
from cli.load.errors import LoadError
from cli.load.interruption import interruptible
from cli.load.summaries import SUMMARIES
from cli.running_market import NotRunningError, with_database

app = typer.Typer(no_args_is_help=True, help="Load on a running market: measured, or to look for wrong answers.")

Faults = Annotated[float, typer.Option(min=0, max=1, help="how likely each of the sandbox's faults is")]
Seed = Annotated[int, typer.Option(help="for the same choices again")]


def measured(  # noqa: PLR0913 - options
    context: typer.Context,
    *,
    target: Annotated[str, typer.Option(metavar="URL", help="the market; by default the one of DATA_DIR")] = "",
    rate: Annotated[float | None, typer.Option(help="open model: so many visits begin each second")] = None,
    users: Annotated[int | None, typer.Option(min=1, max=100_000, help="closed model: so many visit in turn")] = None,
    steps: Annotated[str, typer.Option(help="open model: rates such as 200,400,800, which share the duration")] = "",
    arrivals: Annotated[Literal["poisson", "constant"], typer.Option(help="open model: how visits follow")] = "poisson",
    think: Annotated[str, typer.Option(help="closed model: between two visits of a user, on average")] = "1s",
    ramp: Annotated[str, typer.Option(help="how long it takes to the full load; does not count")] = "5s",
    duration: Annotated[str, typer.Option(help="how long it counts")] = "30s",
    stop_if: Annotated[str, typer.Option(help="end early when one holds, such as p99>2s,errors>1%")] = "",
    generators: Annotated[int, typer.Option(min=1, max=1_000, help="how many share the load")] = 1,
    connections: Annotated[int, typer.Option(min=1, max=50_000, help="at most, of all generators")] = 256,
    buyers: Annotated[int, typer.Option(min=1, max=100_000, help="how many sign up before")] = 32,
    tickets: Annotated[int | None, typer.Option(min=1, max=100_000, help="how many are listed before")] = None,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="where to write report.json, .md and .png")] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="FILE", help="an earlier report.json of the same load")
    ] = None,
    tolerance: Annotated[float, typer.Option(min=0, max=10, help="with --compare: what counts as worse")] = 0.2,
    seed: Seed = 1,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Exits with 0 if met, 1 if not or after a wrong answer, 2 for wrong usage, 3 if a generator was the limit."""
    if find_spec("hdrh") is None:
        fail("measured load needs what `pip install 'holdfast[load]'` brings")
    from cli.load import measured_load  # noqa: PLC0415 - an optional extra, and slow to import
    from cli.load.plan import Options, PlanError, plan_of  # noqa: PLC0415 - as above
    from cli.load.report.comparison import earlier  # noqa: PLC0415 - as above

    settings = load_settings()
    silence_logs()
    scenario, url = str(context.info_name), target or settings.local_url
    options = Options(
        scenario, url, rate, users, steps, arrivals, think, ramp, duration, stop_if, generators, connections, buyers,
        tickets, seed,
    )  # fmt: skip
    try:
        plan = plan_of(options)
        before = None if compare is None else earlier(compare, plan)
        output = measured_load.Output(report, before, tolerance, as_json)
        code = measured_load.run(settings, plan, url, output, is_own_market=not target)
    except PlanError as error:
        fail(str(error), exit_code=2)
    except LoadError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or 'a file'} cannot be written: {error.strerror}")
    if code:
        raise typer.Exit(code)


for name, summary in SUMMARIES.items():
    app.command(name, help=f"{summary}\n\n{measured.__doc__}")(measured)


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
    """Have many people contend for few tickets, and write down every call and answer for `holdfast check-history`.

    Ctrl-C ends it early.
    """
    plan = contention.Plan(history, seconds, tickets, buyers, faults, seed)
    try:
        with interruptible() as is_interrupted:
            seen = asyncio.run(contention.run(with_database(load_settings()), plan, is_interrupted))
    except (NotRunningError, LoadError, OSError) as error:
        fail(str(error), exit_code=1)
    contention.show(seen, plan, Console(highlight=False))
    if seen.wrong:
        raise typer.Exit(1)
