"""The commands ``holdfast backup``, ``restore``, ``rebuild`` and ``migrate``."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

import typer

from actors.runtime.ports import StoreUnavailableError
from actors.storage.rebuild import Rebuilt
from cli.command_line import fail, load_settings, silence_logs
from cli.data import rebuilding
from cli.data.progress import progress
from cli.status import NotRunningError
from cli.up.data_dir import DataFolderInUseError
from cli.up.embedded_servers import ServerError

AsJson = Annotated[bool, typer.Option("--json", help="for programs")]
T = TypeVar("T")

_FAILURES = (NotRunningError, DataFolderInUseError, ServerError)


def rebuild(*, as_json: AsJson = False) -> None:
    """Make tickets, orders and charges anew from the journal, also while the market runs; may be repeated.

    Exits with 1 when something could not be made, and names it.
    """
    with progress() as on_progress:
        done = _run(rebuilding.rebuild(load_settings(), on_progress))
    if as_json:
        typer.echo(json.dumps(rebuilding.as_json(done)))
    else:
        _show(done)
    if done.left_out:
        raise typer.Exit(1)


def _show(done: Rebuilt) -> None:
    for line in rebuilding.lines_of(done):
        typer.echo(line)


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Return what comes of it, or end the command with one line that says what is wrong."""
    silence_logs()
    try:
        return asyncio.run(work)
    except _FAILURES as error:
        fail(str(error))
    except StoreUnavailableError as error:
        fail(f"the database does not answer ({error}): start it, or set MONGODB_URL; then run this command again")
