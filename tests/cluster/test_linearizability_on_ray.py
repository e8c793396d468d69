"""What people are told while they contend for few tickets and actors are killed can be explained, ticket by ticket."""

import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

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
# Beside another market there are too few operations in that time to contend with each other.
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.alone, PLACEMENTS]

SECONDS = 24
TICKETS = 8
BUYERS = 12
ACTORS = ("TicketActor", "OrderActor", "PaymentActor")
# After so many seconds there are so many ticket actors.
CHANGES = ((4.0, 3), (11.0, 1))
BETWEEN_KILLS_SECONDS = (2.0, 5.0)
LONGEST_LOAD_SECONDS = 150
CHECK_SECONDS = 60


@dataclass(frozen=True)
class Recorded:
    """A history, and whom it cost."""

    history: History
    killed: Counter[str]


@pytest.fixture(scope="module")
def recorded(market: RunningMarket, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A contended load, with an actor killed every few seconds, while ticket actors come and go."""
    folder = tmp_path_factory.mktemp("history")
    chance = random.Random(11)  # noqa: S311 - whom to kill is no secret
    file, output = folder / "history.jsonl", folder / "load.txt"
    options = {"--seconds": SECONDS, "--tickets": TICKETS, "--buyers": BUYERS}
    words = [str(word) for option in options.items() for word in option]
    with output.open("wb") as log:
        load = subprocess.Popen(
            [HOLDFAST, "load", "contend", str(file), *words],
            env={**market.environment, "COLUMNS": "120"},
            stdout=log,
            stderr=log,
        )
    deadline = time.monotonic() + LONGEST_LOAD_SECONDS
    killed: Counter[str] = Counter()
    began, changes, scaling = time.monotonic(), list(CHANGES), list[subprocess.Popen[bytes]]()
    try:
        next_kill = time.monotonic() + BETWEEN_KILLS_SECONDS[0]
        while load.poll() is None:
            assert time.monotonic() < deadline, output.read_text()
            if time.monotonic() >= next_kill and (title := kill_one(market, chance, *ACTORS)) is not None:
                killed[title.removeprefix("ray::").partition(".")[0]] += 1
                next_kill = time.monotonic() + chance.uniform(*BETWEEN_KILLS_SECONDS)
            if changes and time.monotonic() - began >= changes[0][0]:
                number = changes.pop(0)[1]
                words = ["scale", "--ticket-actors", str(number), "--at-once", "--no-wait"]
                scaling.append(subprocess.Popen([HOLDFAST, *words], env=market.environment))
            time.sleep(0.1)
    finally:
        load.kill()
        load.wait()
    assert [command.wait(CHECK_SECONDS) for command in scaling] == [0] * len(CHANGES)
    assert load.returncode == 0, output.read_text()
    return Recorded(read_history(file), killed)


def test_a_history_recorded_while_actors_were_killed_is_linearizable(recorded: Recorded) -> None:
    began = time.monotonic()
    found = violations(recorded.history)
    took = time.monotonic() - began
    counts, unknown = recorded.history.counts(), sum(not one.is_certain for one in recorded.history.operations)
    tickets = len(recorded.history.tickets())
    print(f"{dict(counts)}, {unknown} unknown, {tickets} tickets, killed {dict(recorded.killed)}, {took:.1f} s")  # noqa: T201
    assert not found, "\n\n".join(map(str, found))
    assert took < CHECK_SECONDS


def test_the_recorded_history_has_contended_operations(recorded: Recorded) -> None:
    counts = recorded.history.counts()
    assert recorded.killed.total() >= 3
    assert min(counts[kind] for kind in (Kind.RESERVE, Kind.EDIT, Kind.READ_TICKET, Kind.READ_ORDER)) >= 75, counts
    assert min(counts[kind] for kind in (Kind.PAY, Kind.CANCEL, Kind.OWN_ORDERS, Kind.OWN_TICKETS)) >= 20, counts
    outcomes = Counter((one.kind, one.status) for one in recorded.history.operations if one.is_certain)
    for outcome in ((Kind.RESERVE, 201), (Kind.RESERVE, 409), (Kind.EDIT, 200), (Kind.EDIT, 409), (Kind.PAY, 201)):
        assert outcomes[outcome] >= 5, outcomes


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
