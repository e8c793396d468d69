"""Metrics of hosts: what all of them did since the Supervisor started, without a series for each that ever was."""

from dataclasses import replace
from typing import Any

import pytest

from actors.cluster.heartbeat import Heartbeat
from actors.metrics import registry
from actors.metrics.emitter import Emitter
from actors.metrics.hosts import HostMetrics
from actors.runtime.host import Counters
from actors.runtime.signals import BUCKET_SECONDS, Signals
from tests.metrics.recorded import Recorded
from tests.support.examples import new_id


def buckets(fast: int, slow: int) -> tuple[int, ...]:
    """So many durations of a millisecond, and so many of a minute."""
    return (*[fast] * len(BUCKET_SECONDS), fast + slow)


def heartbeat(name: str = "tickets-0", *, turns: int = 0, **signals: Any) -> Heartbeat:  # noqa: ANN401 - fields
    return Heartbeat(name, f"{name}-{new_id()}", 1, "node", Counters(turns=turns), signals=Signals(**signals))


class Market:
    """The hosts as the Supervisor hears them."""

    def __init__(self) -> None:
        self.sink = Recorded()
        self._hosts = HostMetrics()
        self._emitter = Emitter(self.sink)

    def hears(self, *heartbeats: Heartbeat, silent: tuple[str, ...] = ()) -> None:
        by_name = {one.name: one for one in heartbeats}
        watched = by_name.keys() | set(silent)
        self._emitter.emit(self._hosts.samples(by_name, watched, watched - set(silent)))


@pytest.fixture
def market() -> Market:
    return Market()


def test_counts_of_all_hosts_of_a_kind_are_added_up(market: Market) -> None:
    market.hears(
        heartbeat("tickets-0", turns=2, events={"OrderCreated": 3}),
        heartbeat("tickets-1", turns=5, events={"OrderCreated": 4}),
        heartbeat("payments-0", turns=1, events={"ChargeCompleted": 2}),
    )
    assert market.sink.value(registry.TURNS, kind="tickets") == 7
    assert market.sink.value(registry.EVENTS, kind="tickets", event="OrderCreated") == 7
    assert market.sink.value(registry.EVENTS, kind="payments", event="ChargeCompleted") == 2


def test_what_was_counted_is_not_counted_again_and_a_host_that_starts_anew_counts_from_zero(market: Market) -> None:
    first = heartbeat(turns=5)
    market.hears(first)
    market.hears(first)
    market.hears(replace(first, counters=Counters(turns=6)))
    assert market.sink.value(registry.TURNS, kind="tickets") == 6
    market.hears(heartbeat(turns=2))
    assert market.sink.value(registry.TURNS, kind="tickets") == 8


def test_durations_are_counted_in_buckets_that_contain_the_smaller_ones(market: Market) -> None:
    market.hears(heartbeat(turns=1, mailbox_wait=buckets(fast=3, slow=2), commit=buckets(fast=1, slow=0)))
    assert market.sink.value(registry.MAILBOX_WAIT, kind="tickets", le="0.005") == 3
    assert market.sink.value(registry.MAILBOX_WAIT, kind="tickets", le="5") == 3
    assert market.sink.value(registry.MAILBOX_WAIT, kind="tickets", le="+Inf") == 5
    assert market.sink.value(registry.COMMIT_SECONDS, kind="tickets", le="+Inf") == 1


def test_values_of_shared_hosts_have_their_names(market: Market) -> None:
    market.hears(heartbeat("tickets-0", mailbox_depth=7, holds=2), heartbeat("tickets-1", busy_share=0.5))
    assert market.sink.value(registry.MAILBOX_DEPTH, kind="tickets", host="tickets-0") == 7
    assert market.sink.value(registry.HOLDS, kind="tickets", host="tickets-0") == 2
    assert market.sink.value(registry.BUSY_SHARE, kind="tickets", host="tickets-1") == 0.5


def test_membership_is_the_newest_that_any_actor_knows(market: Market) -> None:
    market.hears(replace(heartbeat("tickets-0"), membership=3), replace(heartbeat("tickets-1"), membership=4))
    assert market.sink.value(registry.MEMBERSHIP) == 4


def test_silent_hosts_are_told_from_those_that_answer(market: Market) -> None:
    market.hears(heartbeat("tickets-0"), heartbeat("tickets-1"), silent=("tickets-1", "payments-0"))
    assert market.sink.value(registry.HOSTS, kind="tickets", state="answering") == 1
    assert market.sink.value(registry.HOSTS, kind="tickets", state="silent") == 1
    assert market.sink.value(registry.HOSTS, kind="payments", state="silent") == 1, "that was never heard"


def test_a_thousand_restarts_of_tickets_with_actors_of_their_own_leave_as_many_series_as_one(market: Market) -> None:
    ids = [new_id() for _ in range(1_000)]
    market.hears(heartbeat(f"ticket-{ids[0]}", turns=1, holds=1, events={"OrderCreated": 1}, turn=buckets(1, 0)))
    few = market.sink.series
    for ticket_id in ids:
        market.hears(heartbeat(f"ticket-{ticket_id}", turns=1, holds=1, events={"OrderCreated": 1}, turn=buckets(1, 0)))
    assert market.sink.series == few
    assert len(few) <= 40
    # The first has the id of one of the thousand, and is another incarnation of it.
    assert market.sink.value(registry.EVENTS, kind="tickets", event="OrderCreated") == 1_001
    assert market.sink.value(registry.HOLDS, kind="tickets", host="dedicated") == 1
    shown = repr(market.sink.series)
    assert not any(ticket_id in shown for ticket_id in ids)


def test_many_tickets_with_actors_of_their_own_are_one_host(market: Market) -> None:
    market.hears(*(heartbeat(f"ticket-{new_id()}", mailbox_depth=2, busy_share=0.1 * n) for n in range(5)))
    assert market.sink.value(registry.DEDICATED_ACTORS) == 5
    assert market.sink.value(registry.MAILBOX_DEPTH, kind="tickets", host="dedicated") == 10
    assert market.sink.value(registry.BUSY_SHARE, kind="tickets", host="dedicated") == 0.4


def test_refusals_are_counted_by_rule_and_those_of_a_newer_release_as_others(market: Market) -> None:
    market.hears(
        Heartbeat("orders-0", "w1", 1, "n", Counters(messages=4), refusals={"AlreadyReserved": 3, "NotInvented": 1})
    )
    assert market.sink.value(registry.REFUSALS, kind="orders", reason="AlreadyReserved") == 3
    assert market.sink.value(registry.REFUSALS, kind="orders", reason="other") == 1
    assert market.sink.value(registry.MESSAGES, kind="orders") == 4


def test_calls_to_stripe_are_counted_by_whether_they_were_answered(market: Market) -> None:
    market.hears(Heartbeat("payments-0", "w1", 1, "n", Counters(), stripe_calls={"answered": 3, "failed": 1}))
    assert market.sink.value(registry.STRIPE_CALLS, outcome="failed") == 1


def test_counters_that_alerts_wait_for_begin_with_all_their_series() -> None:
    sink = Recorded()
    Emitter(sink).begin()
    assert {dict(labels)["why"] for name, labels in sink.series if name == "replaced_actors"} == {
        "actor_silent",
        "actor_missing",
    }
    assert all(value < 1e-6 for value in sink.counted.values())
