"""Negative controls: each protection of the market turned off, by a switch that only tests have.

A harness that finds nothing when a protection is off proves nothing when it is on. `CONTROLS` says for each within how
many seeds the simulation must find the violation.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from unittest.mock import patch

from actors.domain import fees, order_rules, ticket_rules, unpaid_holds, waiting_list
from actors.domain.answers import ChargeAnswer
from actors.domain.charge_commands import Capture
from actors.domain.charge_events import ChargeEvent
from actors.domain.charge_values import Charge, ChargeStep
from actors.domain.decision import NO_CONTEXT, Decision, DecisionContext
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import Expire, Sell, TicketCommand
from actors.domain.ticket_events import OrderCompleted, OrderExpired, TicketEvent
from actors.domain.ticket_values import CancelReason, Order, TicketStatus
from actors.payments import stripe_calls
from actors.payments.charge_entity import ChargeEntity
from actors.payments.purchase import PurchaseSaga
from actors.runtime.clock import SharedClock
from actors.runtime.commit_relay import CommitRelay
from actors.runtime.entity import EntityDecision
from actors.runtime.host import Host
from actors.runtime.mailbox import Envelope
from actors.runtime.ownership import Everything
from actors.runtime.ports import Commit
from actors.runtime.publisher import Publisher
from actors.runtime.replies import Replies, ReplySender
from actors.runtime.turn import Decider, Turn
from actors.tickets.entity import TicketEntity
from tests.simulation.faults import CALM, Faults
from tests.simulation.market import Placement, SimulatedMarket
from tests.simulation.sabotaged_duties import (
    without_a_note_that_a_mail_was_sent,
    without_more_tries_to_send,
    without_one_mail_an_order,
    without_redelivered_events,
    without_respect_for_a_sale,
    without_the_sweep_of_delisting,
)
from tests.simulation.sabotaged_events import (
    without_gaps_from_the_journal,
    without_leases,
    without_the_epoch,
    without_the_last_id,
    without_the_server,
    without_the_window,
    without_trimmed_events,
)
from tests.simulation.sabotaged_members import (
    without_fenced_moves,
    without_fresh_knowledge,
)
from tests.simulation.sabotaged_partitions import (
    without_claims_before_commits,
    without_claims_that_stay,
    without_the_keys_own_partition,
)
from tests.simulation.simulation import COMMANDS


@dataclass(frozen=True, slots=True)
class Control:
    """A protection, how to turn it off, the faults that it protects from, and how many seeds may pass unnoticed.

    The search begins at the seed `first`: one that finds it today, where the seeds from 0 take long.
    """

    protection: str
    off: Any
    faults: Faults | None
    seeds: int
    commands: int = COMMANDS
    placement: Placement | None = None
    partitions: int = 1
    first: int = 0


@contextmanager
def without_unique_keys(market: SimulatedMarket) -> Iterator[None]:
    """The journal lets two commits own one key."""
    market.tables.keys_are_unique = False
    yield


@contextmanager
def without_guards(market: SimulatedMarket) -> Iterator[None]:
    """Documents are replaced by whatever comes last."""
    market.tables.replaces_are_guarded = False
    yield


@contextmanager
def without_majority_reads(market: SimulatedMarket) -> Iterator[None]:
    """What only the primary has is read, and decided on."""
    market.tables.reads_are_confirmed = False
    yield


@contextmanager
def without_a_majority_for_ones_own(market: SimulatedMarket) -> Iterator[None]:
    """A commit that is inserted again and is there counts as durable."""
    market.tables.own_is_confirmed = False
    yield


def without_fenced_refusals(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """Answers that write nothing leave without a look at the journal."""

    async def at_once(_sender: ReplySender[Any, Any], turn: Turn[Any]) -> tuple[Replies, list[Envelope]]:
        return turn.replies, []

    return patch.object(ReplySender, "confirmed", at_once)


def without_order_keys(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """An order may come into being again."""
    return patch.object(TicketEntity, "unique_keys", lambda _self, _event: ())


def without_keys_looked_up(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """A repeat with the client's key is refused like somebody else's wish."""
    return patch.object(TicketEntity, "may_be_repeated", lambda _self, _command: False)


def without_keys_of_later_attempts(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """Only the first attempt to pay an order claims the key that its client named."""
    claims = ChargeEntity.unique_keys

    def of_the_first(entity: ChargeEntity, event: ChargeEvent) -> tuple[str, ...]:
        return claims(entity, event) if event.charge.attempt == 1 else ()

    return patch.object(ChargeEntity, "unique_keys", of_the_first)


@contextmanager
def without_keys_compared_within_a_turn(_: SimulatedMarket) -> Iterator[None]:
    """A turn commits one key for many, which no index sees; nor does the journal's port look."""
    with (
        patch.object(Decider, "_has_any", lambda _decider, _turn, _keys: False),
        patch.object(Commit, "check_keys", lambda _commit: None),
    ):
        yield


def without_idempotency_keys(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """Every call to Stripe has a key of its own."""
    numbers = count()

    def another(charge: Charge, step: ChargeStep) -> str:
        return f"{charge.id}:{step}:{next(numbers)}"

    return patch.object(stripe_calls, "idempotency_key", another)


def without_the_orders_name(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """An expiry releases whoever holds the ticket."""
    decide = ticket_rules.decide

    def whoever(
        ticket: Ticket | None, command: TicketCommand, now: int, context: DecisionContext = NO_CONTEXT
    ) -> Decision:
        order = ticket.order if ticket else None
        if isinstance(command, Expire) and order is not None and order.is_open:
            return (OrderExpired(order_rules.ended_order(order, CancelReason.EXPIRED, now)),)
        return decide(ticket, command, now, context)

    return patch.object(ticket_rules, "decide", whoever)


def without_an_end_to_holding_again(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """Nothing is remembered of holds that ended unpaid."""
    return patch.object(unpaid_holds, "ended_unpaid", lambda _order: False)


def without_an_end_at_the_beginning(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """A hold lasts as long as it would for an event that never begins."""
    return patch.object(order_rules, "until_the_show", lambda _ticket, end: end)


def without_repeated_inserts(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """An insert whose outcome is not known counts as one that failed."""

    async def once(host: Host[Any, Any], commit: Commit) -> int:
        return await host._journal.append(commit)

    return patch.object(Host, "_append_until_known", once)


def without_waiting_for_commits(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """Replies leave before their commit is in the journal."""
    commit_first = Host._append_until_known

    async def later(host: Host[Any, Any], commit: Commit) -> int:
        task = asyncio.create_task(commit_first(host, commit))
        task.add_done_callback(lambda done: done.exception())
        return 0

    return patch.object(Host, "_append_until_known", later)


def without_the_point_of_no_return(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """Money is taken before the ticket is sold."""
    sell_first = PurchaseSaga._sell

    async def capture_first(purchases: PurchaseSaga, order: Order, charge: Charge) -> Any:  # noqa: ANN401 - as _sell
        answer = await purchases._participants.ask_charge(Capture(charge.id))
        return await sell_first(purchases, order, answer.charge if isinstance(answer, ChargeAnswer) else charge)

    return patch.object(PurchaseSaga, "_sell", capture_first)


def without_cancelled_intents(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """The intent of a charge that failed is left alone."""
    return patch.object(Charge, "is_payable", property(lambda _charge: False))


def without_the_attempt(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """Whichever attempt comes first buys, also one that was abandoned."""
    sell = order_rules.sell

    def any_attempt(order: Order, command: Sell, now: int) -> Decision:
        return sell(order, replace(command, attempt=order.attempt), now)

    return patch.object(order_rules, "sell", any_attempt)


def without_the_databases_clock(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """Every host goes by its own clock."""

    async def never(_clock: SharedClock) -> None:
        return

    return patch.object(SharedClock, "refresh", never)


def without_registered_writers(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """A writer commits before anybody can know that it exists: its first checkpoint is that of its first progress."""

    async def not_yet(_commit_relay: CommitRelay) -> None:
        return

    return patch.object(CommitRelay, "register", not_yet)


def without_others_events(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """What an earlier writer did not publish is left to the Supervisor."""

    return patch.object(Publisher, "_gaps", lambda _publisher, _records: [])


def without_fenced_reads(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """A host answers reads from memory also where another may have the ticket."""
    return patch.object(Everything, "is_exclusive", lambda _share, _entity_id: True)


def without_withdrawal_on_release(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """The suspended ticket of a seller who may not sell is released, and left to the next sweep."""
    return patch.object(ticket_rules, "_with_withdrawal", lambda _ticket, events: events)


def without_an_offer_with_the_release(market: SimulatedMarket) -> AbstractContextManager[Any]:
    """The ticket is released in one commit, and offered to the first in line in another, with the next message."""
    due, with_offer = ticket_rules.due, ticket_rules._with_offer

    def later(ticket: Ticket | None, now: int, context: DecisionContext = NO_CONTEXT) -> tuple[TicketEvent, ...]:
        if ticket is None or not ticket.waiting or ticket.status is not TicketStatus.AVAILABLE:
            return due(ticket, now, context)
        everybody = frozenset(waiter.user_id for waiter in ticket.waiting) - market.tables.accounts.barred
        released = OrderExpired(order_rules.order_for(ticket, "", "", now, now, fee=0))
        waiting = replace(context, may_buy=everybody, offer_window_ms=market.settings.offer_window_ms)
        return with_offer(ticket, (released,), now, waiting)[1:]

    return patch.multiple(ticket_rules, due=later, _with_offer=lambda _ticket, events, _now, _around: events)


def without_the_order_of_the_line(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """What is released goes to the last in line."""
    first = waiting_list.first_fitting
    return patch.object(waiting_list, "first_fitting", lambda line, *others: first(line[::-1], *others))


def without_a_fee_that_stays(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """The fee is that of the moment of the sale, and not the one of when the ticket was held."""
    decide = TicketEntity.decide

    def at_the_sale(
        tickets: TicketEntity, ticket: Ticket | None, command: TicketCommand, now: int
    ) -> EntityDecision[Ticket]:
        decided = decide(tickets, ticket, command, now)
        return replace(decided, events=tuple(_at_the_fee_of(tickets, event) for event in decided.events))

    return patch.object(TicketEntity, "decide", at_the_sale)


def _at_the_fee_of(tickets: TicketEntity, event: Any) -> Any:  # noqa: ANN401 - an event of a ticket
    if not isinstance(event, OrderCompleted):
        return event
    fee = fees.fee_of(event.order.price, tickets._nobody_waits.fee)
    return OrderCompleted(replace(event.order, fee=fee))


LOST = replace(CALM, lost_request=0.02, lost_answer=0.02)
COPIES = replace(CALM, second_copy_every=5.0, to_zombies=0.5)
# A host drops the timer of a hold that ended, unless it does not know of that because another one decided it.
LIVED_ON = replace(CALM, second_copy_every=15.0, to_zombies=0.5)
REPEATS = replace(CALM, message_duplicated=1.0, message_late=0.5)
SLOW = replace(COPIES, slow=0.05, lost_answer=0.02)
DEATHS = replace(CALM, crash_after=0.03, redis_away_every=10.0)

UNLUCKY = replace(CALM, kill_every=3.0, crash_after=0.02)

ELECTIONS = replace(COPIES, lost_answer=0.05, election_every=20.0, late_replica=0.3)

CHANGES = replace(CALM, change_every=15.0, blind_every=10.0)

LOSSES = replace(CALM, redis_lost_every=10.0, redis_away_every=30.0, kill_every=20.0)
REPLACED = replace(COPIES, redis_lost_every=10.0, crash_after=0.01)
MEMBERS = replace(CALM, member_every=5.0)
SLOW_MEMBERS = replace(MEMBERS, slow=0.05)
TRIMMED = replace(MEMBERS, trim_every=2.0, crash_before=0.03, crash_after=0.03)
HOLES = replace(CALM, hole=1.0)

CONTROLS = (
    Control("unique key fence", without_unique_keys, COPIES, 10),
    Control("fenced refusals", without_fenced_refusals, COPIES, 10),
    Control("the order's own key", without_order_keys, REPEATS, 20, commands=400, first=1),
    Control("a key that is looked up before a refusal", without_keys_looked_up, LOST, 40, first=3),
    Control("keys compared within a turn", without_keys_compared_within_a_turn, CALM, 20, first=1),
    Control("a payment's key at every attempt", without_keys_of_later_attempts, CALM, 20, commands=400, first=10),
    Control("idempotency keys", without_idempotency_keys, LOST, 40, commands=250, first=3),
    Control("expiry naming its order", without_the_orders_name, LIVED_ON, 20, commands=400, first=1),
    Control("holds that end when the event begins", without_an_end_at_the_beginning, CALM, 10, first=3),
    Control("an end to holding again and again", without_an_end_to_holding_again, CALM, 20, first=1),
    Control("whole guarded documents", without_guards, SLOW, 20, commands=250, first=18),
    Control("repeated insert after an unknown outcome", without_repeated_inserts, LOST, 10),
    Control("reply after commit", without_waiting_for_commits, CALM, 10),
    Control("point of no return", without_the_point_of_no_return, CALM, 10),
    Control("cancelled intents", without_cancelled_intents, CALM, 20, commands=400, first=3),
    Control("only the attempt of now buys", without_the_attempt, CALM, 10, first=14),
    Control("the database's clock", without_the_databases_clock, replace(CALM, skew=300.0), 10),
    Control("reads of what a majority has", without_majority_reads, ELECTIONS, 20, commands=250),
    Control("ours when a majority has it", without_a_majority_for_ones_own, ELECTIONS, 20, commands=250),
    Control("a checkpoint before the first commit", without_registered_writers, UNLUCKY, 20),
    Control("others' events first", without_others_events, DEATHS, 20),
    Control("withdrawal with the release", without_withdrawal_on_release, CALM, 40, commands=250),
    Control("the sweep that delists", without_the_sweep_of_delisting, CALM, 20, first=20),
    Control("a flag for what is held or sold", without_respect_for_a_sale, CALM, 20),
    Control("one mail an order", without_one_mail_an_order, LOST, 20, first=45),
    Control("events that are handed over again", without_redelivered_events, LOST, 40),
    Control("more tries to send a mail", without_more_tries_to_send, LOST, 20, first=1),
    Control("a note that a mail was sent", without_a_note_that_a_mail_was_sent, CALM, 10),
    Control("the offer with the release", without_an_offer_with_the_release, CALM, 20, commands=250, first=1),
    Control("the order of the line", without_the_order_of_the_line, CALM, 40, commands=250, first=33),
    Control("a fee that stays as it was at the hold", without_a_fee_that_stays, UNLUCKY, 20, first=3),
    Control("fenced reads of tickets that move", without_fenced_reads, COPIES, 20, placement="dedicated", first=6),
    Control("fresh knowledge of who the members are", without_fresh_knowledge, CHANGES, 80, commands=400, first=36),
    Control("fenced reads while tickets move", without_fenced_moves, CHANGES, 20, commands=400, first=52),
    Control("the epoch in which events are appended", without_the_epoch, LOSSES, 10),
    Control("the event that was written last", without_the_last_id, replace(CALM, set_back_every=15.0), 20, first=2),
    Control("the server on which the epoch began", without_the_server, REPLACED, 20),
    Control("publishing again what Redis lost", without_the_window, LOSSES, 10),
    Control("leases of readers", without_leases, SLOW_MEMBERS, 10),
    Control("gaps read from the journal", without_gaps_from_the_journal, HOLES, 20),
    Control("trimmed events read from the journal", without_trimmed_events, TRIMMED, 40, first=34),
    Control("a claim where its key says", without_the_keys_own_partition, CALM, 10, partitions=2),
    Control("the claim before the commit", without_claims_before_commits, LOST, 20, partitions=2, first=2),
    Control("a claim that stays its owner's", without_claims_that_stay, LOST, 20, commands=250, partitions=2, first=2),
)

UNTOUCHED = Control("everything on", lambda _: nullcontext(), None, 0)
