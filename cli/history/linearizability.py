"""Whether a history can be explained: each ticket by one order of its operations, reads by one's own writes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cli.history.operations import History, Kind, Operation
from cli.history.own_writes import Missing, unseen_writes
from cli.history.search import Call, Verdict, search, shortest_unexplained, until
from cli.history.sequential_model import Ticket
from cli.history.sightings import Sightings
from cli.history.ticket_calls import calls_of

# Of the situations (what took effect, and the ticket that it left) of one ticket. A history that can be explained takes
# about one for each operation.
MOST_WORK = 200_000
MADE = (200, 201)


@dataclass(frozen=True, slots=True)
class Violation:
    """What cannot be explained. `lines` are the shortest prefix of the ticket's operations that has no explanation."""

    rule: str
    ticket: str | None
    lines: tuple[str, ...]

    def __str__(self) -> str:
        """Some lines for people."""
        return "\n".join((f"{self.rule} (ticket {self.ticket})", *(f"    {line}" for line in self.lines)))


def violations(
    history: History,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    most_work: int = MOST_WORK,
) -> list[Violation]:
    """Return everything in the history that has no explanation, and what could not be decided with that much work.

    `progress` hears how many tickets of how many are done.
    """
    sightings = Sightings(history)
    found = [_unseen(missing) for missing in unseen_writes(history, sightings)]
    tickets = history.tickets()
    for done, (ticket_id, operations) in enumerate(tickets.items()):
        progress(done, len(tickets))
        found.extend(_of_ticket(history, sightings, ticket_id, operations, most_work))
    progress(len(tickets), len(tickets))
    return found


def _of_ticket(
    history: History, sightings: Sightings, ticket_id: str, operations: list[Operation], most_work: int
) -> Iterator[Violation]:
    listed = next((one for one in operations if one.kind is Kind.LIST and one.status in MADE), None)
    if listed is None:
        yield Violation("nobody listed this ticket", ticket_id, tuple(map(str, operations)))
        return
    calls = calls_of(history, sightings, ticket_id, operations)
    initial = Ticket(listed.arguments["price"], id=ticket_id)
    if search(calls, initial, most_work).verdict is not Verdict.EXPLAINED:
        yield _unexplained(ticket_id, listed, calls, initial, most_work)


def _unexplained(
    ticket_id: str, listed: Operation, calls: list[Call[Ticket]], initial: Ticket, most_work: int
) -> Violation:
    instant, found = shortest_unexplained(calls, initial, most_work)
    told = sorted((call for call in until(calls, instant) if call.label), key=lambda call: call.invoked)
    marks = (">>" if call.required and call.answered == instant else "  " for call in told)
    lines = (
        f"   {listed}",
        *(f"{mark} {call.label}" for mark, call in zip(marks, told, strict=True)),
        f"   all but the last can be explained; {found.work:,} situations looked at; at best the ticket was then:",
        f"   {found.furthest}",
    )
    if found.verdict is Verdict.UNDECIDED:
        return Violation(f"not decided within {most_work:,} situations", ticket_id, lines)
    return Violation("no order of the operations explains the answers", ticket_id, lines)


def _unseen(missing: Missing) -> Violation:
    lines = (f"told: {missing.told}", f"read: {missing.read}")
    return Violation(missing.rule, missing.ticket, lines)
