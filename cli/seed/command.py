"""The command ``holdfast seed``."""

from typing import Annotated

import typer
from pymongo.errors import PyMongoError

from actors.runtime.ports import StoreUnavailableError
from cli.command_line import fail, load_settings
from cli.running_market import NotRunningError
from cli.seed import seeding


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
