"""``holdfast admin failed-refunds``: what buyers are to be paid by hand, and closing an entry when they were."""

import asyncio
from typing import Annotated

import typer
from pymongo.errors import PyMongoError
from rich.console import Console

from actors.cluster.members import Members
from actors.domain.answers import PaymentAnswer
from actors.domain.instants import Instant
from actors.domain.money import format_amount
from actors.domain.purchase_commands import ResolveRefund
from actors.domain.refusals import NotFound, NothingToResolve, Refusal
from actors.runtime.clock import wall_clock
from actors.runtime.ports import StoreUnavailableError
from actors.storage.database import connect, database_of
from actors.storage.failed_refunds import FailedRefund, FailedRefunds
from actors.storage.journal import MongoJournal
from actors.storage.schema import UnusableDataError, check_schema
from cli.command_line import fail, load_settings
from cli.running_market import PATIENCE_MS, NotRunningError, attached, with_database
from config.settings import Settings
from serve_app.http.paging import LARGEST_LIMIT
from serve_app.http.timestamps import iso

app = typer.Typer(no_args_is_help=True, help="Refunds that failed: buyers who are to be paid another way.")

# Who says so, in the journal: somebody who may run commands on this machine. Administrators have ids.
OPERATOR = "operator"


class NotResolvedError(Exception):
    """The entry was not closed; says why."""


# What keeps the list from being read or an entry from being closed, each with one line that says why.
_FAILURES = (NotRunningError, NotResolvedError, PyMongoError, StoreUnavailableError, UnusableDataError)


@app.command(name="list")
def list_failed_refunds() -> None:
    """Show what buyers are to be paid by hand, the longest due first."""
    try:
        found = listed(load_settings())
    except _FAILURES as error:
        fail(f"the list could not be read: {error}", exit_code=1)
    show(found, Console(highlight=False, soft_wrap=True))


@app.command(name="resolve")
def resolve_failed_refund(order_id: Annotated[str, typer.Argument(help="the order whose buyer was paid")]) -> None:
    """Note that a buyer was paid another way; the journal says that the operator said so."""
    try:
        resolve(load_settings(), order_id)
    except _FAILURES as error:
        fail(f"nothing was changed: {error}", exit_code=1)
    typer.echo(f"the buyer of order {order_id} was paid by hand")


def listed(settings: Settings) -> list[FailedRefund]:
    """Return all that is to be paid by hand, the longest due first.

    Raises NotRunningError, PyMongoError, and UnusableDataError, as while a backup is being restored.
    """
    return asyncio.run(_listed(with_database(settings)))


async def _listed(settings: Settings) -> list[FailedRefund]:
    async with connect(str(settings.mongodb_url), patience_ms=PATIENCE_MS) as client:
        database = database_of(client)
        await check_schema(database)
        refunds = FailedRefunds(database)
        found: list[FailedRefund] = []
        after = None
        while True:
            page = await refunds.page(LARGEST_LIMIT, after)
            found += page.items
            after = page.next_position
            if after is None:
                return found


def show(found: list[FailedRefund], console: Console) -> None:
    """Print one line for each, whole however narrow the terminal is: the ids are there to be copied."""
    for one in found:
        order, charge = one.order, one.charge
        console.print(
            f"order {order.id}: {format_amount(charge.amount)} {charge.currency} to buyer {order.buyer_id}, "
            f"{charge.stripe_id} at Stripe, failed at {iso(charge.updated_at)} ({charge.failure})",
            soft_wrap=True,
        )
    if not found:
        console.print("Nobody is to be paid by hand.")


def resolve(settings: Settings, order_id: str) -> None:
    """Note that the buyer of the order was paid. A repeat changes nothing.

    Raises NotRunningError, and NotResolvedError when there is nothing to close or no actor answers.
    """
    with attached(settings):
        answer = asyncio.run(_resolved(settings, order_id))
    match answer:
        case PaymentAnswer():
            return
        case NotFound():
            raise NotResolvedError("there is no such order")
        case NothingToResolve():
            raise NotResolvedError("no refund of this order has failed")
    raise NotResolvedError("the market did not answer in time: ask again")


async def _resolved(settings: Settings, order_id: str) -> PaymentAnswer | Refusal:
    from actors.processes import on_ray  # noqa: PLC0415 - imports Ray, which reads its settings then

    async with connect(str(with_database(settings).mongodb_url), patience_ms=PATIENCE_MS) as client:
        members = Members(MongoJournal(database_of(client)))
        await members.refresh()
        return await on_ray.client(settings, members, _WallClock()).refund(ResolveRefund(order_id, OPERATOR))


class _WallClock:
    """Good enough for the deadline of one message."""

    def now(self) -> Instant:
        return wall_clock()
