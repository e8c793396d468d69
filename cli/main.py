"""The ``holdfast`` command."""

import asyncio
import json
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer
from pymongo.errors import PyMongoError
from rich.console import Console

from actors.runtime.ports import HostUnreachableError, StoreUnavailableError
from actors.storage.schema import UnusableDataError
from actors.stripe.errors import StripeFailure
from cli import admin as roles
from cli import down as stopping
from cli import failed_refunds, renewal
from cli import verify as reconciliation
from cli.command_line import fail, load_settings
from cli.data import command as data
from cli.doctor.command import doctor
from cli.drain import drain
from cli.events.command import app as events_app
from cli.history import command as history
from cli.history.operations import HistoryError
from cli.journal.command import app as journal_app
from cli.load.command import app as load_app
from cli.members import command as members
from cli.running_market import NotRunningError, with_database
from cli.seed import command as seeding
from cli.status.command import status
from cli.top.command import top
from cli.up.command import up as run_market
from cli.up.data_dir import DataFolderInUseError
from cli.up.embedded_servers import ServerError
from cli.up.start_checks import StartError
from config.ports import NoFreePortsError
from config.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Holdfast, a marketplace for tickets to live events.")

admin_app = typer.Typer(no_args_is_help=True, help="Roles of administrators, and what is to be paid by hand.")
app.add_typer(admin_app, name="admin")

refunds_app = typer.Typer(no_args_is_help=True, help="Refunds that failed: buyers who are to be paid another way.")
admin_app.add_typer(refunds_app, name="failed-refunds")

actors_app = typer.Typer(no_args_is_help=True, help="The market's actors on the Ray cluster of this machine.")
app.add_typer(actors_app, name="actors")
app.add_typer(journal_app, name="journal")
app.add_typer(events_app, name="events")
app.add_typer(load_app, name="load")

Email = Annotated[str, typer.Argument(help="the address that they sign in with")]

_CANNOT_START = (StartError, DataFolderInUseError, NoFreePortsError, ServerError, OSError)


@app.command()
def up() -> None:
    """Start a market and keep it running until Ctrl-C."""
    settings = load_settings()
    try:
        run_market(settings, Console(highlight=False, soft_wrap=True))
    except _CANNOT_START as error:
        fail(str(error), exit_code=1)


@app.command()
def down(
    *, cluster: Annotated[bool, typer.Option("--cluster", help="the market on the Ray cluster of this machine")] = False
) -> None:
    """Stop the market on DATA_DIR, and what is left of one that was killed."""
    console = Console(highlight=False, soft_wrap=True)
    settings = load_settings()
    if cluster:
        _end_on_cluster(settings)
        return
    try:
        with console.status("stopping"):
            was_there = stopping.stop(settings)
    except (DataFolderInUseError, OSError) as error:
        fail(str(error), exit_code=1)
    console.print("stopped" if was_there else f"no market runs on {settings.data_dir}")


def _end_on_cluster(settings: Settings) -> None:
    try:
        stopping.stop_on_cluster(settings, typer.echo)
    except NotRunningError as error:
        fail(str(error), exit_code=1)
    except HostUnreachableError as error:
        fail(f"{error}: repeat this command", exit_code=1)


@app.command()
def check_history(file: Annotated[Path, typer.Argument(help="what `holdfast load contend` wrote")]) -> None:
    """Check that what people were told can be explained by some order of their requests (linearizability)."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        is_explained = history.check(file, console)
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}", exit_code=2)
    except HistoryError as error:
        fail(str(error), exit_code=2)
    if not is_explained:
        raise typer.Exit(1)


@app.command()
def version() -> None:
    """Print the installed version."""
    typer.echo(installed_version("holdfast"))


@app.command()
def verify(*, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
    """Compare the orders with what Stripe has, to the cent. Exits with 1 when a rule does not hold."""
    try:
        found = asyncio.run(reconciliation.report(with_database(load_settings())))
    except (NotRunningError, UnusableDataError) as error:
        fail(str(error), exit_code=1)
    except (StoreUnavailableError, StripeFailure) as error:
        fail(f"the ledgers could not be read: {error}", exit_code=1)
    if as_json:
        typer.echo(json.dumps(reconciliation.as_json(found)))
    else:
        reconciliation.show(found, Console(highlight=False))
    if found.violations:
        raise typer.Exit(1)


@app.command()
def seed(
    *,
    tickets: Annotated[int, typer.Option(min=1, max=1_000_000, help="how many are listed")] = 10_000,
    people: Annotated[int, typer.Option(min=2, max=10_000, help="how many trade")] = 200,
    sales: Annotated[int, typer.Option(min=0, max=100_000, help="how many are bought")] = 300,
    number: Annotated[int, typer.Option(help="for the same tickets again")] = 1,
    more: Annotated[bool, typer.Option("--more", help="add to a market that was seeded before")] = False,
) -> None:
    """Fill the running market with plausible tickets, people and sales, to try things out."""
    try:
        made = seeding.run(load_settings(), seeding.Plan(tickets, people, sales, number, more))
    except (seeding.SeedError, NotRunningError, PyMongoError, StoreUnavailableError) as error:
        fail(f"not seeded: {error}", exit_code=1)
    typer.echo(f"{made.tickets:,} tickets listed in {made.listing_seconds:.1f} s, {made.sales:,} sold")
    typer.echo(f"sign in as {made.email}, or any other of the {people}, with the password {made.password}")


@admin_app.command()
def grant(
    email: Email,
    *,
    unverified: Annotated[bool, typer.Option("--unverified", help="also if the address was not confirmed")] = False,
) -> None:
    """Make a user an administrator, whose address is confirmed."""
    _set_role(email, is_admin=True, unverified=unverified)


@admin_app.command()
def revoke(email: Email) -> None:
    """Take the role of an administrator away."""
    _set_role(email, is_admin=False)


@refunds_app.command(name="list")
def list_failed_refunds() -> None:
    """Show what buyers are to be paid by hand, the longest due first."""
    try:
        found = failed_refunds.listed(load_settings())
    except failed_refunds.FAILURES as error:
        fail(f"the list could not be read: {error}", exit_code=1)
    failed_refunds.show(found, Console(highlight=False, soft_wrap=True))


@refunds_app.command(name="resolve")
def resolve_failed_refund(order_id: Annotated[str, typer.Argument(help="the order whose buyer was paid")]) -> None:
    """Note that a buyer was paid another way; the journal says that the operator said so."""
    try:
        failed_refunds.resolve(load_settings(), order_id)
    except failed_refunds.FAILURES as error:
        fail(f"nothing was changed: {error}", exit_code=1)
    typer.echo(f"the buyer of order {order_id} was paid by hand")


def _set_role(email: str, *, is_admin: bool, unverified: bool = False) -> None:
    try:
        changed = roles.set_role(load_settings(), email, is_admin=is_admin, unverified=unverified)
    except roles.FAILURES as error:
        fail(f"the role was not changed: {error}", exit_code=1)
    if is_admin:
        typer.echo(f"{email} {'is' if changed else 'was'} an administrator{' now' if changed else ' already'}")
    else:
        typer.echo(f"{email} {'is no longer' if changed else 'was not'} an administrator")


for command in (
    status, top, members.scale, members.pin, members.unpin, drain, renewal.reload, data.backup, data.restore,
    data.rebuild, data.archive, data.migrate, doctor,
):  # fmt: skip
    app.command()(command)
actors_app.command()(renewal.renew)


if __name__ == "__main__":
    app()
