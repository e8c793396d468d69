"""When a market gets more ticket hosts and when fewer, shown on simulated traces: a second of load each."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from actors.runtime.signals import BUCKET_SECONDS, Signals
from actors.supervision.load import HostLoad, load_between
from actors.supervision.scaling_policy import PAUSE_SECONDS, QUIET_SECONDS, Bounds, Seen, Sizing, decide

BOUNDS = Bounds(1, 8)
IDLE = HostLoad(busy_share=0.02)
HALF = HostLoad(busy_share=0.5, commit_share=0.2)
BUSY = HostLoad(busy_share=0.9, commit_share=0.3)
SLOW = HostLoad(busy_share=0.5, waited_seconds=0.1, commit_share=0.3)
BEHIND_THE_DATABASE = HostLoad(busy_share=0.95, waited_seconds=0.2, commit_share=0.8)
Trace = Callable[[int, int], Sequence[HostLoad]]
HOUR = 3_600


def simulated(trace: Trace, seconds: int, hosts: int = 1, bounds: Bounds = BOUNDS) -> Iterator[tuple[int, Sizing, int]]:
    """Each second, what was decided and how many hosts there were; `trace` says how loaded so many are at a second."""
    seen = Seen()
    for second in range(seconds):
        seen, sizing = decide(seen, float(second), trace(second, hosts), hosts, bounds)
        yield second, sizing, hosts
        hosts = sizing.hosts


def changes(trace: Trace, seconds: int, hosts: int = 1, bounds: Bounds = BOUNDS) -> list[tuple[int, int]]:
    """The changes that are made, as when and to how many."""
    found = simulated(trace, seconds, hosts, bounds)
    return [(second, sizing.hosts) for second, sizing, before in found if sizing.hosts != before]


def of_work(work: float) -> HostLoad:
    """A host that does so much, of 1 that one can do."""
    return HostLoad(busy_share=min(1.0, work), waited_seconds=0.5 if work > 1 else 0.0, commit_share=0.2)


def test_a_step_is_followed_by_doubling_until_it_is_carried() -> None:
    # Work for three hosts comes after a minute and stays.
    made = changes(lambda second, hosts: [of_work((3.0 if second >= 60 else 0.1) / hosts)] * hosts, HOUR)
    assert made == [(70, 2), (70 + PAUSE_SECONDS, 4)]


def test_a_step_down_is_followed_one_by_one_after_ten_quiet_minutes_each() -> None:
    made = changes(lambda _, hosts: [IDLE] * hosts, HOUR, hosts=4)
    assert [hosts for _, hosts in made] == [3, 2, 1]
    assert [second for second, _ in made] == [QUIET_SECONDS, 2 * QUIET_SECONDS + 1, 3 * QUIET_SECONDS + 2]


def test_a_spike_of_eight_seconds_changes_nothing() -> None:
    assert changes(lambda second, hosts: [BUSY if 60 <= second < 68 else IDLE] * hosts, 300) == []


def test_flapping_load_changes_nothing() -> None:
    assert changes(lambda second, hosts: [BUSY if second % 16 < 8 else IDLE] * hosts, HOUR, hosts=2) == []


def test_after_growing_for_a_load_that_comes_and_goes_it_does_not_shrink_in_between() -> None:
    # A minute of load in every five: it grows at the first, and ten quiet minutes never come.
    made = changes(lambda second, hosts: [of_work((1.5 if second % 300 < 60 else 0.1) / hosts)] * hosts, HOUR)
    assert made == [(10, 2)]


def test_messages_that_wait_make_it_grow_as_well() -> None:
    assert changes(lambda _, hosts: [SLOW if hosts == 1 else HALF] * hosts, 300) == [(10, 2)]


def test_when_the_database_is_the_limit_nothing_is_changed_and_it_says_why() -> None:
    trace: Trace = lambda _, hosts: [BEHIND_THE_DATABASE] * hosts  # noqa: E731 - one line of a table
    assert changes(trace, HOUR) == []
    assert {sizing.reason for second, sizing, _ in simulated(trace, 300) if second >= 10} == {
        "the database is the limit, more actors will not help"
    }


def test_one_loaded_host_of_several_has_a_hot_ticket_and_gets_no_others_beside_it() -> None:
    assert changes(lambda _, hosts: [BUSY, *[IDLE] * (hosts - 1)], HOUR, hosts=4) == []


def test_it_grows_no_further_than_it_may_and_says_so() -> None:
    assert changes(lambda _, hosts: [BUSY] * hosts, HOUR, bounds=Bounds(1, 6)) == [(10, 2), (70, 4), (130, 6)]
    *_, (_, last, _) = simulated(lambda _, hosts: [BUSY] * hosts, 600, bounds=Bounds(1, 6))
    assert last == Sizing(6, "loaded, and 6 hosts are as many as there may be")


def test_it_shrinks_no_further_than_it_may() -> None:
    assert changes(lambda _, hosts: [IDLE] * hosts, 2 * HOUR, hosts=4, bounds=Bounds(3, 8)) == [(QUIET_SECONDS, 3)]


def test_hosts_that_say_nothing_are_not_taken_for_quiet() -> None:
    assert changes(lambda _, hosts: [IDLE] * (hosts - 1), HOUR, hosts=3) == []
    assert changes(lambda _second, _hosts: [], HOUR, hosts=3) == []


def buckets(*durations: float) -> tuple[int, ...]:
    return (*(sum(one <= end for one in durations) for end in BUCKET_SECONDS), len(durations))


def test_the_load_between_two_heartbeats_is_of_what_happened_between_them() -> None:
    early = Signals(mailbox_wait=buckets(*[9.0] * 50), turn_seconds=100.0, commit_seconds=90.0)
    waits = buckets(*[9.0] * 50, *[0.02] * 96, *[0.4] * 4)
    late = Signals(busy_share=0.8, mailbox_wait=waits, turn_seconds=101.0, commit_seconds=90.25)
    load = load_between(early, late)
    assert load == HostLoad(busy_share=0.8, waited_seconds=0.025, commit_share=0.25)


@pytest.mark.parametrize(("slow", "waited"), [(4, 0.025), (6, 0.5)])
def test_the_wait_of_a_load_is_that_of_the_95th_of_100_messages(slow: int, waited: float) -> None:
    late = Signals(mailbox_wait=buckets(*[0.02] * (100 - slow), *[0.4] * slow))
    assert load_between(None, late).waited_seconds == waited


def test_a_message_that_still_waits_counts_as_well() -> None:
    assert load_between(None, Signals(oldest_wait_seconds=3.0)).waited_seconds == 3.0
    assert load_between(Signals(), Signals()) == HostLoad()
