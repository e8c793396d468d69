"""``holdfast doctor``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from cli.command_line import silence_logs
from cli.doctor import machine, servers
from cli.doctor.finding import Finding, Verdict
from cli.running_market import NotRunningError, with_database, with_redis
from cli.up import data_dir
from config import settings as configuration
from config.settings import Settings

_MARKS = {Verdict.OK: "[green]ok     [/]", Verdict.WARNING: "[yellow]warning[/]", Verdict.PROBLEM: "[red]problem[/]"}


def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
    """Look for what would trouble a market here, and say what to do. Exits with 1 when there is a problem."""
    silence_logs()
    console = Console(highlight=False, soft_wrap=True)
    found: list[Finding] = []
    with console.status("looking"):
        found.extend(_look())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found]))
    else:
        _show(found, console)
    if any(finding.verdict is Verdict.PROBLEM for finding in found):
        raise typer.Exit(1)


def _look() -> list[Finding]:
    try:
        settings = configuration.load()
    except configuration.SettingsError as error:
        # The rest depends on them.
        return [machine.python(), *(Finding("settings", Verdict.PROBLEM, line) for line in error.lines)]
    is_running = data_dir.UP in data_dir.remembered(settings.data_dir)
    return [
        Finding("settings", Verdict.OK, f"{settings.holdfast_env}"),
        *machine.findings(settings, is_running=is_running),
        *servers.findings(_with_embedded(settings) if is_running else settings),
    ]


def _with_embedded(settings: Settings) -> Settings:
    try:
        return with_redis(with_database(settings))
    except NotRunningError:  # it is only just starting, or stopping
        return settings


def _show(found: Sequence[Finding], console: Console) -> None:
    for finding in found:
        console.print(f"{_MARKS[finding.verdict]}  {finding.subject}: ", end="")
        console.print(finding.text, markup=False)
