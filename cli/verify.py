"""``holdfast verify``: compares the orders with what Stripe has, to the cent."""

import asyncio
import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from actors.domain.money import format_amount
from actors.payments.reconciliation import ReconciliationReport, Violation
from actors.processes.stripe_account import open_account
from actors.runtime.ports import StoreUnavailableError
from actors.storage.clock import database_clock
from actors.storage.database import connect, database_of
from actors.storage.ledger_reader import reconcile
from actors.storage.schema import UnusableDataError, check_schema
from actors.stripe.errors import StripeFailure
from cli.command_line import fail, load_settings
from cli.running_market import NotRunningError, with_database
from config.settings import Settings

_SHOWN = 20
# The embedded database answers nobody while it begins to read all orders: some seconds where there are 100,000.
_PATIENCE_MS = 120_000


def verify(*, in_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
    """Compare the orders with what Stripe has, to the cent. Exits with 1 when a rule does not hold."""
    try:
        found = asyncio.run(report(with_database(load_settings())))
    except (NotRunningError, UnusableDataError) as error:
        fail(str(error), exit_code=1)
    except (StoreUnavailableError, StripeFailure) as error:
        fail(f"the ledgers could not be read: {error}", exit_code=1)
    if in_json:
        typer.echo(json.dumps(as_json(found)))
    else:
        show(found, Console(highlight=False))
    if found.violations:
        raise typer.Exit(1)


async def report(settings: Settings) -> ReconciliationReport:
    """Return what was found. The database's address must be set.

    Raises StoreUnavailableError when the database does not answer, schema.UnusableDataError when it is of a newer
    release, and errors.StripeFailure when Stripe does not answer.
    """
    async with connect(str(settings.mongodb_url), patience_ms=_PATIENCE_MS) as client:
        database = database_of(client)
        await check_schema(database)
        account = open_account(settings, database)
        clock = database_clock(database)
        await clock.refresh()
        try:
            return await reconcile(database, account.stripe, clock)
        finally:
            await account.stripe.aclose()


def as_json(found: ReconciliationReport) -> dict[str, Any]:
    """Return the report for programs; sums are in cents."""
    return {
        "orders": found.orders,
        "completedOrders": found.completed,
        "charges": found.charges,
        "payments": found.intents,
        "foreignPayments": found.foreign_intents,
        "unconfirmedPayments": found.unconfirmed_intents,
        "inProgress": found.in_progress,
        "sold": dict(found.sold),
        "fees": dict(found.fees),
        "sellersGet": dict(found.sold - found.fees),
        "captured": dict(found.captured),
        "refunded": dict(found.refunded),
        "disputed": dict(found.disputed),
        "violations": [{"rule": each.rule, "id": each.id} for each in _sorted(found)],
    }


def show(found: ReconciliationReport, console: Console) -> None:
    """Print what was checked and what is wrong."""
    table = Table("checked", "")
    for name, count in (
        ("orders", found.orders),
        ("of them complete", found.completed),
        ("charges", found.charges),
        ("payments at Stripe", found.intents),
        ("of them never confirmed, harmless", found.unconfirmed_intents),
        ("payments that are not ours", found.foreign_intents),
        ("orders still in progress", found.in_progress),
    ):
        table.add_row(name, f"{count:,}")
    for name, sums in (
        ("captured", found.captured),
        ("refunded", found.refunded),
        ("completed orders", found.sold),
        ("of them fees", found.fees),
        ("of them for sellers", found.sold - found.fees),
        ("disputed, apart", found.disputed),
    ):
        table.add_row(
            name, ", ".join(f"{format_amount(cents)} {currency}" for currency, cents in sorted(sums.items())) or "-"
        )
    console.print(table)
    for violation in _sorted(found)[:_SHOWN]:
        console.print(f"[red]violated:[/red] {violation.rule}: {violation.id}")
    if len(found.violations) > _SHOWN:
        console.print(f"and {len(found.violations) - _SHOWN} more; --json lists all")
    console.print("no violation" if not found.violations else f"{len(found.violations)} violations")


def _sorted(found: ReconciliationReport) -> list[Violation]:
    return sorted(found.violations, key=lambda violation: (violation.rule, violation.id))
