"""Which tickets get an actor of their own, shown on simulated traces: a second of load each."""

from collections.abc import Callable, Mapping

from actors.cluster.membership import MOST_PINNED
from actors.supervision.hot_tickets_policy import (
    HOT_SECONDS,
    PAUSE_SECONDS,
    HotSeen,
    Pin,
    Unpin,
    decide,
)
from actors.supervision.load import HostLoad

HOT = HostLoad(busy_share=0.9, message_rate=1_000.0, hottest={"hot": 400.0, "warm": 100.0})
CALM = HostLoad(busy_share=0.2, message_rate=100.0, hottest={"warm": 10.0})
QUIET = HostLoad(message_rate=1.0)
Trace = Callable[[int, bool], tuple[Mapping[str, HostLoad], HostLoad | None]]


def simulated(trace: Trace, seconds: int, by_hand: frozenset[str] = frozenset()) -> list[tuple[int, Pin | Unpin]]:
    """The changes that are made. `trace` says how loaded hosts are, and the hot ticket's own actor while it has one."""
    seen, automatic, made = HotSeen(), set[str](), []
    for second in range(seconds):
        shared, own = trace(second, bool(automatic))
        seen, change = decide(seen, float(second), shared, dict.fromkeys(automatic, own), automatic | by_hand)
        if change is not None:
            made.append((second, change))
            (automatic.add if isinstance(change, Pin) else automatic.discard)(change.ticket_id)
    return made


def test_a_hot_ticket_of_a_busy_host_gets_an_actor_of_its_own_after_three_seconds() -> None:
    made = simulated(lambda second, is_pinned: ({"tickets-0": CALM if is_pinned or second < 20 else HOT}, HOT), 120)
    assert made == [(20 + HOT_SECONDS, Pin("hot"))]


def test_it_goes_back_after_a_quiet_minute() -> None:
    def trace(second: int, is_pinned: bool) -> tuple[Mapping[str, HostLoad], HostLoad]:  # noqa: FBT001 - as simulated calls it
        return {"tickets-0": CALM if is_pinned or second > 50 else HOT}, HOT if second < 50 else QUIET

    assert simulated(trace, 300) == [(HOT_SECONDS, Pin("hot")), (50 + 60, Unpin("hot"))]


def test_a_ticket_that_is_hot_for_less_than_three_seconds_stays() -> None:
    assert simulated(lambda second, _: ({"tickets-0": HOT if second % 10 < HOT_SECONDS else CALM}, None), 300) == []


def test_a_hot_ticket_of_a_host_that_is_not_busy_stays() -> None:
    idle = HostLoad(busy_share=0.5, message_rate=100.0, hottest={"hot": 90.0})
    assert simulated(lambda _second, _is_pinned: ({"tickets-0": idle}, None), 300) == []


def test_a_busy_host_without_a_hot_ticket_keeps_all_of_them() -> None:
    even = HostLoad(busy_share=0.9, message_rate=1_000.0, hottest={"one": 250.0, "two": 250.0})
    assert simulated(lambda _second, _is_pinned: ({"tickets-0": even}, None), 300) == []


def test_one_change_is_made_in_ten_seconds_and_the_hottest_is_first() -> None:
    two = HostLoad(busy_share=0.9, message_rate=1_000.0, hottest={"hot": 310.0, "hotter": 600.0})
    made = simulated(lambda _second, _is_pinned: ({"tickets-0": two}, HOT), 60)
    assert made == [(HOT_SECONDS, Pin("hotter")), (HOT_SECONDS + PAUSE_SECONDS, Pin("hot"))]


def test_a_ticket_whose_actor_says_nothing_does_not_go_back() -> None:
    made = simulated(lambda _second, is_pinned: ({"tickets-0": CALM if is_pinned else HOT}, None), 600)
    assert made == [(HOT_SECONDS, Pin("hot"))]


def test_what_an_operator_pinned_is_neither_pinned_again_nor_unpinned() -> None:
    assert simulated(lambda _second, _is_pinned: ({"tickets-0": HOT}, QUIET), 600, frozenset({"hot"})) == []


def test_no_more_tickets_than_may_be_get_actors_of_their_own() -> None:
    others = frozenset(f"ticket-{number}" for number in range(MOST_PINNED))
    assert simulated(lambda _second, _is_pinned: ({"tickets-0": HOT}, QUIET), 600, others) == []
