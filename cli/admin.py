"""``holdfast admin``: giving the role of an administrator, which no request can."""

import asyncio
from typing import Annotated

import typer
from pymongo.errors import PyMongoError

from actors.runtime.clock import wall_clock
from actors.runtime.ports import StoreUnavailableError
from actors.storage.database import connect, database_of
from actors.storage.schema import UnusableDataError, check_schema
from cli import failed_refunds
from cli.command_line import fail, load_settings
from cli.running_market import PATIENCE_MS, NotRunningError, with_database
from config.settings import Settings
from serve_app.accounts import roles
from serve_app.accounts.roles import NoSuchUserError, UnverifiedError

app = typer.Typer(no_args_is_help=True, help="Roles of administrators, and what is to be paid by hand.")
app.add_typer(failed_refunds.app, name="failed-refunds")

Email = Annotated[str, typer.Argument(help="the address that they sign in with")]

# What keeps a role from being given, each with one line that says why.
_FAILURES = (
    NotRunningError, NoSuchUserError, UnverifiedError, PyMongoError, StoreUnavailableError, UnusableDataError
)  # fmt: skip


@app.command()
def grant(
    email: Email,
    *,
    unverified: Annotated[bool, typer.Option("--unverified", help="also if the address was not confirmed")] = False,
) -> None:
    """Make a user an administrator, whose address is confirmed."""
    _change_role(email, is_admin=True, unverified=unverified)


@app.command()
def revoke(email: Email) -> None:
    """Take the role of an administrator away."""
    _change_role(email, is_admin=False)


def _change_role(email: str, *, is_admin: bool, unverified: bool = False) -> None:
    settings = load_settings()
    try:
        changed = asyncio.run(_set_role(with_database(settings), email, is_admin=is_admin, unverified=unverified))
    except _FAILURES as error:
        fail(f"the role was not changed: {error}", exit_code=1)
    if is_admin:
        typer.echo(f"{email} {'is' if changed else 'was'} an administrator{' now' if changed else ' already'}")
    else:
        typer.echo(f"{email} {'is no longer' if changed else 'was not'} an administrator")


async def _set_role(settings: Settings, email: str, *, is_admin: bool, unverified: bool) -> bool:
    async with connect(str(settings.mongodb_url), patience_ms=PATIENCE_MS) as client:
        database = database_of(client)
        await check_schema(database)
        return await roles.set_role(database, wall_clock, email, is_admin=is_admin, unverified=unverified)
