"""A ticket does what its model says, whatever is asked of it; with a rule of the product broken the search finds it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from actors.domain import order_rules, ticket_rules
from actors.domain.decision import Decision, DecisionContext
from actors.domain.instants import Instant
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import EditTicket, Expire, Reserve, Sell, StartPayment, StateCommand, TicketCommand
from actors.domain.ticket_events import OrderExpired, TicketUpdated
from actors.domain.ticket_values import Order, OrderStatus, TicketStatus
from tests.models import search
from tests.models.ticket_machine import TicketMachine
from tests.support import examples

Patch = pytest.MonkeyPatch


def test_a_ticket_does_what_its_model_says() -> None:
    search.run(TicketMachine, examples=200, steps=40)


def _instead(patch: Patch, status: TicketStatus, handler: Callable[[Ticket, Any], Decision | None]) -> None:
    """Has the broken rule decide about tickets in this state, and the real one where the broken one says nothing."""
    real = ticket_rules._HANDLERS[status]

    def decide(ticket: Ticket, command: StateCommand, now: Instant, context: DecisionContext) -> Decision:
        decision = handler(ticket, command)
        return real(ticket, command, now, context) if decision is None else decision

    patch.setitem(ticket_rules._HANDLERS, status, decide)


def an_expiry_releases_whoever_holds_it(patch: Patch) -> None:
    def expire(ticket: Ticket, command: TicketCommand) -> Decision | None:
        if isinstance(command, Expire) and ticket.order:
            return (OrderExpired(replace(ticket.order, status=OrderStatus.CANCELLED)),)
        return None

    _instead(patch, TicketStatus.RESERVED, expire)


def a_reservation_ignores_who_holds_it(patch: Patch) -> None:
    def reserve(ticket: Ticket, command: TicketCommand) -> Decision | None:
        if isinstance(command, Reserve):
            return order_rules.reserve(ticket, command, examples.NOW, DecisionContext())
        return None

    _instead(patch, TicketStatus.RESERVED, reserve)


def a_price_is_edited_under_a_hold(patch: Patch) -> None:
    def edit(_ticket: Ticket, command: TicketCommand) -> Decision | None:
        return (TicketUpdated(command.details),) if isinstance(command, EditTicket) else None

    _instead(patch, TicketStatus.RESERVED, edit)


def a_late_payment_wins(patch: Patch) -> None:
    patch.setattr(examples, "due", lambda _ticket, _now, _around: ())


def a_hold_ends_a_millisecond_late(patch: Patch) -> None:
    real = ticket_rules.due
    patch.setattr(examples, "due", lambda ticket, now, around: real(ticket, now - 1, around))


def every_payment_extends_the_hold(patch: Patch) -> None:
    real = order_rules.start_payment

    def start(ticket: Ticket, order: Order, grace: int, now: Instant) -> Decision:
        return real(ticket, replace(order, extended=False), grace, now)

    patch.setattr(order_rules, "start_payment", start)


def any_amount_buys(patch: Patch) -> None:
    real = order_rules.sell

    def sell(order: Order, command: Sell, now: Instant) -> Decision:
        return real(order, replace(command, amount=order.price), now)

    patch.setattr(order_rules, "sell", sell)


def an_attempt_that_is_over_buys(patch: Patch) -> None:
    real = order_rules.sell

    def sell(order: Order, command: Sell, now: Instant) -> Decision:
        return real(order, replace(command, attempt=order.attempt), now)

    patch.setattr(order_rules, "sell", sell)


def a_payment_begins_for_whoever_holds_it(patch: Patch) -> None:
    def start(ticket: Ticket, command: TicketCommand) -> Decision | None:
        if isinstance(command, StartPayment) and ticket.order:
            return order_rules.start_payment(ticket, ticket.order, command.grace, examples.NOW)
        return None

    _instead(patch, TicketStatus.RESERVED, start)


def an_order_that_is_over_is_revived(patch: Patch) -> None:
    real = ticket_rules.decide
    patch.setattr(examples, "decide", lambda ticket, command, now, _: real(ticket, command, now))


def a_refund_ignores_that_the_event_has_begun(patch: Patch) -> None:
    patch.setattr(order_rules, "has_begun", lambda _ticket, _now: False)


def a_hold_outlasts_the_beginning_of_its_event(patch: Patch) -> None:
    patch.setattr(order_rules, "until_the_show", lambda _ticket, end: end)


def a_marked_ticket_is_for_sale_again(patch: Patch) -> None:
    patch.setattr(ticket_rules, "_with_withdrawal", lambda _ticket, events: events)


def an_edit_is_not_noticed_by_who_saw_the_ticket_before(patch: Patch) -> None:
    real = order_rules.not_as_expected
    patch.setattr(order_rules, "not_as_expected", lambda ticket, command: real(replace(ticket, edited=0), command))


def a_hold_again_and_again_is_accepted(patch: Patch) -> None:
    patch.setattr(order_rules, "MOST_OF_A_TICKET", 4)


@pytest.mark.parametrize(
    "sabotage",
    [
        an_expiry_releases_whoever_holds_it,
        a_reservation_ignores_who_holds_it,
        a_price_is_edited_under_a_hold,
        a_late_payment_wins,
        a_hold_ends_a_millisecond_late,
        every_payment_extends_the_hold,
        any_amount_buys,
        an_attempt_that_is_over_buys,
        a_payment_begins_for_whoever_holds_it,
        an_order_that_is_over_is_revived,
        a_refund_ignores_that_the_event_has_begun,
        a_hold_outlasts_the_beginning_of_its_event,
        a_marked_ticket_is_for_sale_again,
        an_edit_is_not_noticed_by_who_saw_the_ticket_before,
        a_hold_again_and_again_is_accepted,
    ],
    ids=lambda sabotage: sabotage.__name__,
)
def test_search_finds_a_broken_rule_of_a_ticket(sabotage: Callable[[Patch], None], monkeypatch: Patch) -> None:
    sabotage(monkeypatch)
    search.finds(TicketMachine, examples=1_000, steps=40)
