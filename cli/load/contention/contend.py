"""``holdfast load contend``: many people at few tickets, and everything that was asked and answered written down."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cli.history.file import HistoryFile
from cli.history.operations import Kind
from cli.load.contention.buyers import Buyer
from cli.load.contention.hot_tickets import TicketPool
from cli.load.contention.recording_client import Person, RecordingClient, Seen
from cli.load.contention.sellers import Seller
from cli.load.faults import sandbox_faults
from cli.load.http_sessions import session, signed_up
from config.settings import Settings

SELLERS = 2
# Each person does two things at a time, so that a buyer's cancelling meets the same buyer's paying.
PROCESSES = 2
REST_SECONDS = 0.02
REQUEST_SECONDS = 30.0

Act = Callable[[RecordingClient], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and how many buyers want how many tickets at a time. `faults` is as for purchases."""

    history: Path
    seconds: float
    tickets: int
    buyers: int
    faults: float
    seed: int


async def run(settings: Settings, plan: Plan, is_interrupted: Event) -> Seen:
    """Return what was seen; the rest is in the file. The event ends it early, with a history that is whole.

    Raises LoadError when nobody can sign up, OSError for the file.
    """
    seen, pool = Seen(), TicketPool()
    chance = random.Random(plan.seed)  # noqa: S311 - to have the same wishes again, no secret
    with HistoryFile(plan.history, settings) as file:
        async with sandbox_faults(settings, plan.faults, plan.seed), session(settings, REQUEST_SECONDS) as http:
            people: list[tuple[str, Act]] = []
            for number in range(SELLERS):
                own_tickets = len(range(number, plan.tickets, SELLERS))
                seller = Seller(pool, f"seller-{number}", own_tickets, chance)
                people.append((seller.name, seller.acts))
            people += [(f"buyer-{number}", Buyer(pool, chance).acts) for number in range(plan.buyers)]
            clients = [
                (act, RecordingClient(http, file, seen, person, f"{person.name}.{process}"))
                for name, act in people
                for person in [Person(name, await signed_up(http))]
                for process in range(PROCESSES)
            ]
            await _act_for(plan.seconds, is_interrupted, clients, chance)
    return seen


async def _act_for(
    seconds: float, is_interrupted: Event, clients: list[tuple[Act, RecordingClient]], chance: random.Random
) -> None:
    """Everybody acts until the time is over, and then waits for the answer that is still open."""
    ends = time.monotonic() + seconds

    async def acts(act: Act, client: RecordingClient) -> None:
        while time.monotonic() < ends and not is_interrupted.is_set():
            await act(client)
            await asyncio.sleep(chance.uniform(0, 2 * REST_SECONDS))

    with Progress(transient=True) as progress:
        task = progress.add_task("contending", total=seconds)
        showing = asyncio.create_task(_show_time(progress, task, ends, seconds))
        await asyncio.gather(*(acts(act, client) for act, client in clients))
        showing.cancel()


async def _show_time(progress: Progress, task: object, ends: float, seconds: float) -> None:
    while True:
        progress.update(task, completed=seconds - max(ends - time.monotonic(), 0))  # type: ignore[arg-type]
        await asyncio.sleep(0.2)


def show(seen: Seen, plan: Plan, console: Console) -> None:
    """Print how many operations there were of each kind, and how to have them checked."""
    table = Table("operation", "outcome known", "unknown")
    for operation in Kind:
        table.add_row(operation, f"{seen.known[operation]:,}", f"{seen.unknown[operation]:,}")
    console.print(table)
    for complaint in seen.wrong:
        console.print(f"[red]wrong answer:[/red] {complaint}")
    console.print(f"{plan.history}: check it with `holdfast check-history {plan.history}`")
