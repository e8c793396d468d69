"""What a process may conclude from what it read of the membership, and from how long ago that was."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest

from actors.cluster import names
from actors.cluster.client import ActorClient
from actors.cluster.members import ASKED_SECONDS, FRESH_SECONDS, LAPSE_SECONDS, LEAVES_SECONDS, TAKES_SECONDS, Members
from actors.cluster.membership import (
    KINDS,
    MOST_PREVIOUS,
    STRIDES,
    all_names,
    changed,
    commit_of,
    newest,
    of_settings,
    owner,
    resized,
    settled,
)
from actors.domain.answers import Moved
from actors.domain.membership import Hosts, MembershipChanged
from actors.domain.refusals import NotFound, Unavailable
from actors.domain.ticket_commands import ReadTicket
from actors.runtime.ports import HostUnreachableError, Instant, Reply, StoreUnavailableError
from actors.supervision.autoscaler import Resize, TicketHosts
from actors.supervision.hot_tickets_policy import Pin, Unpin
from actors.supervision.scaling import APART_SECONDS, SETTLED_SECONDS, Leavers, OutdatedError, Scaling
from actors.supervision.ticket_scaling import TicketScaling
from config.settings import Settings
from tests.simulation.database import Tables
from tests.simulation.server import Direct
from tests.simulation.stores import FakeJournal
from tests.support.examples import new_id

ONE, TWO = of_settings(Settings()), of_settings(Settings(ticket_actors=2))
# An id that moves from the first actor to the second when there are two, and one that does not.
MOVES = next(one for one in (f"{number:024x}" for number in range(100)) if owner(TWO, "tickets", one) == "tickets-1")
STAYS = next(one for one in (f"{number:024x}" for number in range(100)) if owner(TWO, "tickets", one) == "tickets-0")


class Journal(FakeJournal):
    """In memory; counts its reads, and may be away."""

    def __init__(self) -> None:
        super().__init__(Direct(), Tables())
        self.is_away = False
        self.reads = 0

    async def existing_keys(self, keys: Collection[str]) -> set[str]:
        self.reads += 1
        if self.is_away:
            raise StoreUnavailableError
        return await super().existing_keys(keys)

    async def has(self, *changes: MembershipChanged) -> None:
        """The next versions are these."""
        version = await newest(self, 0)
        for change in changes:
            version += 1
            await self.append(commit_of(change, version, f"writer-{version}", 0))


class Process:
    """A process with a clock of its own that is moved by hand."""

    def __init__(self, journal: Journal) -> None:
        self.now = 1_000.0
        self.members = Members(journal, lambda: self.now)

    async def share(self, name: str) -> Any:  # noqa: ANN401 - a share
        return await self.members.ownership(name).confirm()

    async def pass_seconds(self, seconds: float) -> None:
        """Reads every second meanwhile."""
        while seconds > 0:
            self.now += min(seconds, 1.0)
            seconds -= 1.0
            await self.members.refresh()


@pytest.fixture
async def journal() -> Journal:
    journal = Journal()
    await journal.has(MembershipChanged(ONE, (), "supervisor", "the settings of a new market"))
    return journal


GROWN = MembershipChanged(TWO, (ONE,), "operator", "more")


async def test_the_old_owner_accepts_a_ticket_until_callers_know_the_new_one_and_then_no_more(journal: Journal) -> None:
    process = Process(journal)
    await process.members.refresh()
    await journal.has(GROWN)
    await process.members.refresh()
    assert (await process.share("tickets-0")).accepts(MOVES)
    await process.pass_seconds(LEAVES_SECONDS - 0.1)
    assert (await process.share("tickets-0")).accepts(MOVES)
    await process.pass_seconds(0.2)
    assert not (await process.share("tickets-0")).accepts(MOVES)
    assert (await process.share("tickets-0")).accepts(STAYS)


async def test_the_new_owner_accepts_a_ticket_only_when_nobody_fresh_can_think_it_is_the_old_ones(
    journal: Journal,
) -> None:
    process = Process(journal)
    await process.members.refresh()
    await journal.has(GROWN)
    await process.members.refresh()
    await process.pass_seconds(FRESH_SECONDS)
    assert not (await process.share("tickets-1")).accepts(MOVES)
    await process.pass_seconds(TAKES_SECONDS - FRESH_SECONDS)
    assert (await process.share("tickets-1")).accepts(MOVES)


async def test_reads_of_a_ticket_that_moves_are_fenced_until_the_change_is_settled(journal: Journal) -> None:
    process = Process(journal)
    await process.members.refresh()
    assert (await process.share("tickets-0")).is_exclusive(MOVES)
    await journal.has(GROWN)
    await process.members.refresh()
    await process.pass_seconds(LEAVES_SECONDS)
    shares = [await process.share(name) for name in TWO.tickets]
    assert [share.is_exclusive(MOVES) for share in shares] == [False, False]
    assert [share.is_exclusive(STAYS) for share in shares] == [True, True]
    await journal.has(MembershipChanged(TWO, (), "supervisor", "settled"))
    await process.members.refresh()
    assert (await process.share("tickets-1")).is_exclusive(MOVES)


async def test_a_share_that_grows_old_during_a_turn_is_not_exclusive_any_more(journal: Journal) -> None:
    process = Process(journal)
    share = await process.share("tickets-0")
    process.now += FRESH_SECONDS
    assert not share.is_exclusive(STAYS)


async def test_nobody_decides_on_old_knowledge_when_the_membership_cannot_be_read(journal: Journal) -> None:
    process = Process(journal)
    await process.share("tickets-0")
    journal.is_away = True
    process.now += FRESH_SECONDS - 0.1
    await process.share("tickets-0")
    process.now += 0.1
    with pytest.raises(StoreUnavailableError):
        await process.share("tickets-0")


async def test_a_process_that_did_not_look_for_long_keeps_nothing_by_what_it_knew_before(journal: Journal) -> None:
    process = Process(journal)
    await process.members.refresh()
    await journal.has(GROWN)
    process.now += LAPSE_SECONDS
    share = await process.share("tickets-0")
    assert (share.accepts(MOVES), share.accepts(STAYS)) == (False, True)


async def test_what_was_in_memory_is_doubted_when_a_change_is_settled_or_was_missed(journal: Journal) -> None:
    ownership = Process(journal).members.ownership("tickets-0")
    process = Process(journal)
    ownership = process.members.ownership("tickets-0")
    assert (await ownership.confirm()).has_moved is None
    await journal.has(GROWN)
    await process.members.refresh()
    assert (await ownership.confirm()).has_moved is None
    await journal.has(MembershipChanged(TWO, (), "supervisor", "settled"))
    await process.members.refresh()
    has_moved = (await ownership.confirm()).has_moved
    assert has_moved is not None
    assert (has_moved(MOVES), has_moved(STAYS)) == (True, False)
    await journal.has(*[replace(GROWN, hosts=hosts) for hosts in (ONE, TWO, ONE)])
    await process.members.refresh()
    has_moved = (await ownership.confirm()).has_moved
    assert has_moved is not None
    assert has_moved(STAYS)


@pytest.mark.parametrize("versions", [1, 31, 32, 33, 1_100])
async def test_the_newest_version_is_found_in_a_few_reads(versions: int) -> None:
    journal = Journal()
    await journal.has(*[replace(GROWN, reason=str(number)) for number in range(versions)])
    journal.reads = 0
    assert await newest(journal, 0) == versions
    assert journal.reads <= len(STRIDES) + 1
    journal.reads = 0
    assert await newest(journal, versions) == versions
    assert journal.reads == 1


def test_more_actors_take_the_lowest_free_numbers_and_fewer_lose_the_highest() -> None:
    gap = replace(ONE, tickets=("tickets-1", "tickets-4"))
    assert set(resized(gap, {"tickets": 4}).tickets) == {"tickets-0", "tickets-1", "tickets-2", "tickets-4"}
    assert resized(gap, {"tickets": 1}).tickets == ("tickets-1",)
    assert resized(gap, {"orders": 2}) == replace(gap, orders=("orders-0", "orders-1"))


def test_a_pinned_ticket_has_an_actor_of_its_own_and_no_other_ticket_moves() -> None:
    pinned = replace(TWO, pinned=(MOVES,))
    assert owner(pinned, names.TICKETS, MOVES) == f"ticket-{MOVES}"
    assert f"ticket-{MOVES}" in all_names(pinned)
    others = [new_id() for _ in range(100)]
    assert all(owner(pinned, kind, one) == owner(TWO, kind, one) for one in others for kind in KINDS)


class Clock:
    """Milliseconds that pass as the loop's do."""

    def now(self) -> Instant:
        return int(asyncio.get_running_loop().time() * 1000)


class Answers:
    """A transport on which each host has one answer, or raises it; `asked` says who was asked, and how."""

    def __init__(self, answers: dict[str, object]) -> None:
        self.asked: list[tuple[str, bool]] = []
        self._answers = answers

    async def call(
        self, host: str, messages: Sequence[Any], _deadline: Instant, *, redelivered: bool
    ) -> Sequence[Reply]:
        self.asked.append((host, redelivered))
        answer = self._answers[host]
        if isinstance(answer, Exception):
            raise answer
        return [answer for _ in messages]


async def test_a_caller_asks_the_new_owner_within_the_same_deadline_and_says_that_it_asks_again(
    journal: Journal,
) -> None:
    process = Process(journal)
    await process.members.refresh()
    await journal.has(GROWN)
    answers = Answers({"tickets-0": Moved(), "tickets-1": NotFound()})
    assert await ActorClient(process.members, answers, Clock()).ask_ticket(ReadTicket(MOVES)) == NotFound()
    assert answers.asked == [("tickets-0", False), ("tickets-1", True)]


async def test_callers_turn_to_the_new_owner_by_themselves(journal: Journal) -> None:
    process = Process(journal)
    await process.members.refresh()
    await journal.has(GROWN)
    await process.members.refresh()
    assert process.members.hosts_to_ask("tickets", MOVES) == ("tickets-0", "tickets-1")
    await process.pass_seconds(ASKED_SECONDS)
    assert process.members.hosts_to_ask("tickets", MOVES) == ("tickets-1", "tickets-0")
    assert process.members.hosts_to_ask("tickets", STAYS) == ("tickets-0",)


async def test_a_caller_does_not_wait_for_an_actor_that_has_left(journal: Journal) -> None:
    process = Process(journal)
    await journal.has(GROWN)
    await process.members.refresh()
    shrunk = MembershipChanged(ONE, (ONE, TWO), "operator", "fewer")
    await journal.has(shrunk)
    await process.members.refresh()
    answers = Answers({"tickets-0": NotFound(), "tickets-1": HostUnreachableError("tickets-1")})
    assert await ActorClient(process.members, answers, Clock()).ask_ticket(ReadTicket(MOVES)) == NotFound()


async def test_a_caller_is_told_that_nobody_is_there_when_every_host_says_moved(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.cluster.client.TICKET_TIMEOUT_MS", 200)
    answers = Answers({"tickets-0": Moved()})
    client = ActorClient(Process(journal).members, answers, Clock())
    await client.members.refresh()
    assert await client.ask_ticket(ReadTicket(STAYS)) == Unavailable()


def scaling(journal: Journal, members: Members, by: str) -> Scaling:
    return Scaling(members, journal, Clock(), new_id, by)


async def started(_name: str) -> None:
    """Nothing is to be started."""


async def test_of_two_who_change_one_version_the_second_is_told_which_is_in_force(journal: Journal) -> None:
    first, second = Process(journal), Process(journal)
    known, also_known = await first.members.fresh(), await second.members.fresh()
    made = await scaling(journal, first.members, "ann").change(known, TWO, "more", started)
    assert (made.version, made.previous) == (2, (ONE,))
    with pytest.raises(OutdatedError, match="version 2"):
        await scaling(journal, second.members, "bob").change(also_known, ONE, "fewer", started)
    (commit,) = await journal.commits_with_keys(["market:membership:2"])
    (record,) = commit.records
    assert isinstance(record.event, MembershipChanged)
    assert (record.event.by, record.event.reason) == ("ann", "more")


async def test_new_actors_start_before_the_change_is_made(journal: Journal) -> None:
    process = Process(journal)
    begun: list[tuple[str, int]] = []

    async def start(name: str) -> None:
        begun.append((name, await newest(journal, 0)))

    await scaling(journal, process.members, "ann").change(await process.members.fresh(), TWO, "more", start)
    assert begun == [("tickets-1", 1)]


async def test_an_actor_that_comes_back_is_started_again_at_the_last_moment_as_it_may_have_ended_by_then(
    journal: Journal,
) -> None:
    process, begun = Process(journal), list[str]()

    async def start(name: str) -> None:
        begun.append(name)

    await journal.has(GROWN, MembershipChanged(ONE, (ONE, TWO), "operator", "fewer"))
    known = await process.members.fresh()
    process.now += APART_SECONDS
    three = resized(ONE, {names.TICKETS: 3})
    await scaling(journal, process.members, "ann").change(known, three, "more again", start)
    assert begun == ["tickets-1", "tickets-2", "tickets-1"]


class Ends:
    """A directory that only ends actors."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def end(self, name: str) -> None:
        self.ended.append(name)


async def test_a_leaver_has_a_minute_and_an_actor_that_scale_may_have_started_ten() -> None:
    directory, now = Ends(), [0.0]
    leavers = Leavers(directory, lambda: now[0])  # type: ignore[arg-type]
    for seconds, ended in (
        (0.0, []),
        (Leavers.PATIENCE_SECONDS - 1, []),
        (Leavers.PATIENCE_SECONDS, ["tickets-1"]),
        (Leavers.STRAYS_PATIENCE_SECONDS - 1, ["tickets-1"]),
        (Leavers.STRAYS_PATIENCE_SECONDS, ["tickets-1", "tickets-2"]),
    ):
        now[0] = seconds
        gone = set(directory.ended)
        await leavers.end({"tickets-1"} - gone, {"tickets-2"} - gone)
        assert directory.ended == ended


async def test_holds_are_woken_anew_when_owners_are_asked_and_when_earlier_ones_wake_nothing_more(
    journal: Journal,
) -> None:
    process = Process(journal)
    await process.members.refresh()
    await journal.has(GROWN)
    await process.members.refresh()
    seen = [process.members.generation]
    for seconds in (ASKED_SECONDS, LEAVES_SECONDS - ASKED_SECONDS, 60.0):
        await process.pass_seconds(seconds)
        seen.append(process.members.generation)
    assert len(set(seen[:3])) == 3
    assert seen[2] == seen[3]


async def test_a_change_is_settled_a_minute_and_a_half_after_it_was_seen(journal: Journal) -> None:
    process = Process(journal)
    supervisor = scaling(journal, process.members, "supervisor")
    await journal.has(GROWN)
    await process.members.refresh()
    await process.pass_seconds(SETTLED_SECONDS - 1)
    await supervisor.settle()
    assert await newest(journal, 0) == 2
    await process.pass_seconds(1)
    await supervisor.settle()
    assert (await process.members.refresh()).membership.previous == ()


async def test_one_change_waits_until_everybody_acts_on_the_one_before(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, slept = Process(journal), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    await journal.has(GROWN)
    known = await process.members.fresh()
    monkeypatch.setattr("actors.supervision.scaling.asyncio.sleep", sleep)
    await scaling(journal, process.members, "ann").change(known, ONE, "fewer", started)
    assert slept == [APART_SECONDS]


async def test_too_many_changes_have_to_wait_until_they_are_settled(journal: Journal) -> None:
    process = Process(journal)
    many: tuple[Hosts, ...] = (ONE,) * MOST_PREVIOUS
    await journal.has(MembershipChanged(TWO, many, "ann", "again"))
    known = await process.members.fresh()
    process.now += APART_SECONDS
    with pytest.raises(OutdatedError, match="wait"):
        await scaling(journal, process.members, "ann").change(known, ONE, "fewer", started)


async def test_a_market_begins_once_whoever_else_begins_it(journal: Journal) -> None:
    process = Process(journal)
    await scaling(journal, process.members, "another").establish(TWO)
    assert (await process.members.refresh()).membership.hosts == ONE


async def test_the_automatic_scaling_changes_the_membership_and_knows_what_it_pinned_itself(journal: Journal) -> None:
    process = Process(journal)
    await process.members.refresh()
    changes = TicketScaling(process.members, scaling(journal, process.members, "supervisor"), started)
    for change in (Resize(2), Pin(MOVES)):
        await changes.apply(change, "busy")
        await process.pass_seconds(APART_SECONDS)
    assert changes.current() == TicketHosts(TWO.tickets, frozenset({MOVES}), frozenset({MOVES}))
    await changes.apply(Unpin(MOVES), "no longer hot")
    assert changes.current() == TicketHosts(TWO.tickets)


async def test_the_automatic_scaling_gives_way_to_an_operator(journal: Journal) -> None:
    process = Process(journal)
    await process.members.refresh()
    changes = TicketScaling(process.members, scaling(journal, process.members, "supervisor"), started)
    await journal.has(GROWN)
    await changes.apply(Resize(4), "busy")
    assert changes.current().shared == TWO.tickets


def test_a_settled_change_has_the_same_hosts() -> None:
    from actors.cluster.membership import Membership  # noqa: PLC0415

    change = changed(Membership(1, ONE), TWO, by="ann", reason="more")
    assert settled(Membership(2, change.hosts, change.previous), by="s") == MembershipChanged(TWO, (), "s", "settled")
