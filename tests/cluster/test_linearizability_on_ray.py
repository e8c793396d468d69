"""What people are told while they contend for few tickets and actors are killed can be explained, ticket by ticket."""

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.support.running_market import HOLDFAST, RunningMarket
from cli.history.linearizability import violations
from cli.history.operations import History, Kind, Operation, read_history
from tests.support.killing import kill_one

# Short holds, so that some end by themselves while their ticket is wanted still.
SETTINGS = {"reservation_seconds": 3, "offer_seconds": 2, "payment_grace_seconds": 4, "max_holds_per_buyer": 1000}
# Of those with actors of their own some stay with the shared one, as there are too few for all.
PLACEMENTS = pytest.mark.parametrize(
    "market",
    [{"ticket_placement": "shared"}, {"ticket_placement": "dedicated", "dedicated_actors": 4}],
    ids=["shared", "dedicated"],
    indirect=True,
    scope="module",
)
pytestmark = [pytest.mark.cluster, pytest.mark.slow, PLACEMENTS]

# The load goes on for this long, and on a slow machine longer, until it has asked for enough.
SECONDS = 24
TICKETS = 8
BUYERS = 12
ACTORS = ("TicketActor", "OrderActor", "PaymentActor")
# After so many seconds somebody asks for so many ticket actors, if the change before is over.
CHANGES = ((4.0, 3), (11.0, 1))
BETWEEN_KILLS_SECONDS = (2.0, 5.0)
LONGEST_LOAD_SECONDS = 150
COMMAND_SECONDS = 60
CHECK_PROCESSOR_SECONDS = 60

# How many operations with a known outcome are enough to judge: of a kind, and of those that contend.
ENOUGH_OF_A_KIND = {
    **dict.fromkeys((Kind.RESERVE, Kind.EDIT, Kind.READ_TICKET, Kind.READ_ORDER), 75),
    **dict.fromkeys((Kind.PAY, Kind.CANCEL, Kind.OWN_ORDERS, Kind.OWN_TICKETS), 20),
}
ENOUGH_OF_AN_OUTCOME = dict.fromkeys(
    ((Kind.RESERVE, 201), (Kind.RESERVE, 409), (Kind.EDIT, 200), (Kind.EDIT, 409), (Kind.PAY, 201)), 5
)


@dataclass(frozen=True)
class Recorded:
    """A history, and whom it cost."""

    history: History
    killed: Counter[str]


@pytest.fixture(scope="module")
def recorded(market: RunningMarket, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A contended load, with an actor killed every few seconds, while ticket actors come and go.

    It ends as soon as it has enough of everything and all changes are made, and not before SECONDS.
    """
    folder = tmp_path_factory.mktemp("history")
    chance = random.Random(11)  # noqa: S311 - whom to kill is no secret
    file, output = folder / "history.jsonl", folder / "load.txt"
    options = {"--seconds": LONGEST_LOAD_SECONDS, "--tickets": TICKETS, "--buyers": BUYERS}
    words = [str(word) for option in options.items() for word in option]
    with output.open("wb") as log:
        load = subprocess.Popen(
            [HOLDFAST, "load", "contend", str(file), *words],
            env={**market.environment, "COLUMNS": "120"},
            stdout=log,
            stderr=log,
        )
    killed: Counter[str] = Counter()
    began, changes, scaling = time.monotonic(), list(CHANGES), list[subprocess.Popen[bytes]]()
    try:
        next_kill = next_look = began + BETWEEN_KILLS_SECONDS[0]
        while load.poll() is None:
            if time.monotonic() >= max(next_look, began + SECONDS):
                if not changes and _are_over(scaling) and not missing(_so_far(file)):
                    break
                next_look = time.monotonic() + 1
            if time.monotonic() >= next_kill and (title := kill_one(market, chance, *ACTORS)) is not None:
                killed[title.removeprefix("ray::").partition(".")[0]] += 1
                next_kill = time.monotonic() + chance.uniform(*BETWEEN_KILLS_SECONDS)
            if changes and _are_over(scaling) and time.monotonic() - began >= changes[0][0]:
                number = changes.pop(0)[1]
                words = ["scale", "--ticket-actors", str(number), "--at-once", "--no-wait"]
                scaling.append(subprocess.Popen([HOLDFAST, *words], env=market.environment))
            time.sleep(0.1)
        load.send_signal(signal.SIGINT)
        load.wait(COMMAND_SECONDS)
    finally:
        load.kill()
        load.wait()
    assert [command.wait(COMMAND_SECONDS) for command in scaling] == [0] * len(CHANGES)
    assert load.returncode == 0, output.read_text()
    return Recorded(read_history(file), killed)


def _are_over(commands: list[subprocess.Popen[bytes]]) -> bool:
    return all(command.poll() is not None for command in commands)


def missing(history: History) -> dict[Kind | tuple[Kind, int | None], int]:
    """What the history has too few of, and how many it has."""
    outcomes = Counter((one.kind, one.status) for one in history.operations if one.is_certain)
    kinds = history.counts()
    few = {kind: kinds[kind] for kind, enough in ENOUGH_OF_A_KIND.items() if kinds[kind] < enough}
    return few | {
        outcome: outcomes[outcome] for outcome, enough in ENOUGH_OF_AN_OUTCOME.items() if outcomes[outcome] < enough
    }


def _so_far(file: Path) -> History:
    """What is written of a history whose last line may not be whole yet."""
    written = file.read_text(encoding="utf-8")
    copy = file.with_suffix(".so-far")
    copy.write_text(written[: written.rfind("\n") + 1], encoding="utf-8")
    return read_history(copy)


def test_a_history_recorded_while_actors_were_killed_is_linearizable(recorded: Recorded) -> None:
    began = time.process_time()
    found = violations(recorded.history)
    took = time.process_time() - began
    counts, unknown = recorded.history.counts(), sum(not one.is_certain for one in recorded.history.operations)
    tickets = len(recorded.history.tickets())
    print(f"{dict(counts)}, {unknown} unknown, {tickets} tickets, killed {dict(recorded.killed)}, {took:.1f} s")  # noqa: T201
    assert not found, "\n\n".join(map(str, found))
    assert took < CHECK_PROCESSOR_SECONDS


def test_the_recorded_history_has_contended_operations(recorded: Recorded) -> None:
    assert recorded.killed.total() >= 3
    assert missing(recorded.history) == {}


def _somebody_else(one: Operation) -> Operation:
    return replace(one, answer={**one.answer, "orderId": "f" * 24})


def _other_price(one: Operation) -> Operation:
    return replace(one, answer={**one.answer, "price": one.answer["price"] + 1})


def _not_reserved(one: Operation) -> Operation:
    return replace(one, status=409, order=None, answer={"message": "This ticket is sold."})


def _still_open(one: Operation) -> Operation:
    items = [{**item, "status": "created", "version": 1, "cancelReason": None} for item in one.answer["items"]]
    return replace(one, answer={"items": items})


@pytest.mark.parametrize(
    ("kind", "status", "lie"),
    [
        pytest.param(Kind.READ_TICKET, 200, _somebody_else, id="another holder"),
        pytest.param(Kind.RESERVE, 201, _other_price, id="a price that was never current"),
        pytest.param(Kind.RESERVE, 201, _not_reserved, id="a reservation that is said to be refused"),
        pytest.param(Kind.EDIT, 200, _other_price, id="an edit that was lost"),
        pytest.param(Kind.OWN_ORDERS, 200, _still_open, id="orders that look open after they were paid or cancelled"),
    ],
)
def test_one_changed_answer_makes_the_same_history_not_linearizable(
    recorded: Recorded, kind: Kind, status: int, lie: Callable[[Operation], Operation]
) -> None:
    history = recorded.history
    *_, place = [
        place
        for place, one in enumerate(history.operations)
        if (one.kind, one.status) == (kind, status) and _is_telling(one)
    ]
    operations = list(history.operations)
    operations[place] = lie(operations[place])
    assert violations(replace(history, operations=tuple(operations)))


def _is_telling(one: Operation) -> bool:
    """Whether it is one of somebody who holds or has something."""
    if one.kind is Kind.READ_TICKET:
        return bool(one.answer["status"] == "reserved")
    if one.kind is Kind.OWN_ORDERS:
        return any(item["status"] == "complete" or item.get("cancelReason") == "buyer" for item in one.answer["items"])
    return True
