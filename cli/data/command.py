"""The commands ``holdfast backup``, ``restore``, ``rebuild``, ``archive`` and ``migrate``."""

import asyncio
import json
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from actors.runtime.ports import StoreUnavailableError
from actors.storage.backup_files import BackupError
from actors.storage.rebuild import Rebuilt
from actors.storage.schema import UnusableDataError
from cli.command_line import fail, load_settings, silence_logs
from cli.data import results, work
from cli.data.progress import progress
from cli.running_market import NotRunningError
from cli.up.data_dir import DataFolderInUseError
from cli.up.embedded_servers import ServerError

# Refunds and disputes are about what is younger, and so are consumers of events that were away.
YOUNGEST = timedelta(days=180)

AsJson = Annotated[bool, typer.Option("--json", help="for programs")]
FromArchive = Annotated[
    Path | None,
    typer.Option("--archive", metavar="DIR", help="where `holdfast archive` put its files [DATA_DIR/archive]"),
]
T = TypeVar("T")

_FAILURES = (NotRunningError, DataFolderInUseError, ServerError, BackupError, UnusableDataError)


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a folder that is not there yet")],
    *,
    as_json: AsJson = False,
) -> None:
    """Copy the journal and what cannot be made of it into a new folder, also while the market runs."""
    settings = load_settings()
    with progress() as on_progress:
        done = _run(work.backup(settings, folder.absolute(), on_progress))
    _say(results.timed_as_json(done), [results.timed_line(done, f"{folder}")], as_json=as_json)


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="what `holdfast backup` wrote")],
    *,
    archived: FromArchive = None,
    as_json: AsJson = False,
) -> None:
    """Fill an empty database from a backup; may be repeated if it was interrupted.

    Exits with 1 when some documents could not be made of the journal, and names them.
    """
    settings = load_settings()
    with progress() as on_progress:
        done, rebuilt = _run(work.restore(settings, folder, archived, on_progress))
    found = {**results.timed_as_json(done), "rebuilt": results.rebuilt_as_json(rebuilt)}
    lines = [*results.rebuilt_lines(rebuilt), results.timed_line(done, "restored")]
    _say(found, [*lines, "now start the market, and compare it with Stripe: holdfast verify"], as_json=as_json)
    _fail_if_incomplete(rebuilt)


def rebuild(*, archived: FromArchive = None, as_json: AsJson = False) -> None:
    """Make tickets, orders and charges anew from the journal, also while the market runs; may be repeated.

    Exits with 1 when something could not be made, and names it.
    """
    settings = load_settings()
    with progress() as on_progress:
        done = _run(work.rebuild(settings, archived, on_progress))
    _say(results.rebuilt_as_json(done), results.rebuilt_lines(done), as_json=as_json)
    _fail_if_incomplete(done)


def archive(
    *,
    before: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="what ended before that day (UTC), at least 180 days ago")
    ],
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="where to put the files [DATA_DIR/archive]")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say how much it would be")] = False,
    as_json: AsJson = False,
) -> None:
    """Move what old commits say into files, and leave their keys in the journal; may be repeated if interrupted.

    The market may run. Keep the files: `rebuild` and `restore` need them.
    """
    settings = load_settings()
    day = before.replace(tzinfo=UTC)
    if day > datetime.now(UTC) - YOUNGEST:
        fail(f"--before {day:%Y-%m-%d} is less than {YOUNGEST.days} days ago: name an earlier day", exit_code=2)
    folder = (to or settings.archive_dir).absolute()
    with progress() as on_progress:
        done = _run(work.archive(settings, int(day.timestamp() * 1_000), folder, on_progress, dry_run=dry_run))
    found = results.archived_as_json(done, dry_run=dry_run)
    _say(found, results.archived_lines(done, folder, dry_run=dry_run), as_json=as_json)


def migrate() -> None:
    """Bring the database up to this release: indexes and stored data; may be repeated, and run beside a market."""
    _run(work.migrate(load_settings()))
    typer.echo("the database is up to date")


def _say(found: dict[str, Any], lines: Sequence[str], *, as_json: bool) -> None:
    typer.echo(json.dumps(found) if as_json else "\n".join(lines))


def _fail_if_incomplete(done: Rebuilt) -> None:
    if done.left_out:
        raise typer.Exit(1)


def _run(task: Coroutine[Any, Any, T]) -> T:
    """Return what comes of it, or end the command with one line that says what is wrong."""
    silence_logs()
    try:
        return asyncio.run(task)
    except _FAILURES as error:
        fail(str(error))
    except StoreUnavailableError as error:
        fail(f"the database does not answer ({error}): start it, or set MONGODB_URL; then run this command again")
    except OSError as error:
        fail(f"{error.filename or 'a file'} cannot be written or read: {error.strerror}")
    except KeyboardInterrupt:
        fail("interrupted: run this command again")
