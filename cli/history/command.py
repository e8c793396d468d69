"""``holdfast check-history FILE``: says whether what people were told can be explained."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from cli.command_line import fail
from cli.history.linearizability import violations
from cli.history.operations import HistoryError, read_history


def check_history(file: Annotated[Path, typer.Argument(help="what `holdfast load contend` wrote")]) -> None:
    """Check that what people were told can be explained by some order of their requests (linearizability)."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        is_explained = check(file, console)
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}", exit_code=2)
    except HistoryError as error:
        fail(str(error), exit_code=2)
    if not is_explained:
        raise typer.Exit(1)


def check(file: Path, console: Console) -> bool:
    """Return whether everything has an explanation that was found.

    Raises OSError or HistoryError when there is no history in the file.
    """
    history = read_history(file)
    began = time.monotonic()
    with Progress(transient=True, console=console) as bar:
        task = bar.add_task("tickets")
        found = violations(history, lambda done, total: bar.update(task, completed=done, total=total))
    for kind, count in sorted(history.counts().items()):
        console.print(f"{count:7,} {kind}")
    unknown = sum(not operation.is_certain for operation in history.operations)
    console.print(f"{unknown:7,} with an unknown outcome")
    tickets = len(history.tickets())
    console.print(f"{tickets:,} tickets in {time.monotonic() - began:.1f} s: {len(found)} violations")
    for violation in found:
        console.print(f"\n{violation}", markup=False)
    return not found
