"""Whether what somebody was told is true: no acknowledged reply contradicts the journal."""

from dataclasses import dataclass
from typing import Any

from actors.domain import ticket_rules as rules
from actors.domain import unpaid_holds
from actors.domain.answers import PaymentAnswer
from actors.domain.charge_values import ChargeStatus
from actors.domain.decision import NO_CONTEXT, DecisionContext
from actors.domain.refusals import (
    Overloaded,
    Refusal,
    RequestMismatch,
    TooManyHolds,
    TooManyUnpaidHolds,
    Unavailable,
)
from actors.domain.ticket import Ticket, TicketAnswer, evolve
from actors.domain.ticket_commands import CreateTicket, EditTicket, ReadTicket, Reserve, TicketCommand
from actors.domain.ticket_values import Order, OrderStatus
from tests.simulation.database import Tables
from tests.simulation.invariants import Invariants
from tests.simulation.stripe import WatchedLedger

NO_ANSWER = (Unavailable, Overloaded)
# How long after everything went well a read by id may still come from somebody who was replaced, in seconds.
SETTLED = 30.0


@dataclass(frozen=True, slots=True)
class Asked:
    """When somebody asked, and how many versions their ticket had then."""

    at: int
    version: int


class Replies:
    """Compares answers with what truly happened between the question and the answer."""

    def __init__(
        self, invariants: Invariants, tables: Tables, ledger: WatchedLedger, *, reads_are_exact: bool = False
    ) -> None:
        """`reads_are_exact` where reads by id are never old, also while everything goes wrong."""
        self._invariants = invariants
        self._history = invariants.history
        self._tables = tables
        self._ledger = ledger
        self._world = invariants.world
        self._reads_are_exact = reads_are_exact

    def asked(self, ticket_id: str) -> Asked:
        """To be called in the instant of the question."""
        return Asked(self._now, len(self._history.tickets.get(ticket_id, ())))

    def took_effect(self, command: TicketCommand) -> bool:
        """Whether the order of a reservation is there, so that asking for it is a repeat."""
        return isinstance(command, Reserve) and command.order_id in self._history.orders

    def ticket(
        self, command: TicketCommand, asked: Asked, answer: TicketAnswer | Refusal, *, is_repeat: bool = False
    ) -> None:
        """To be called in the instant of the answer. Who repeats a reservation is told of its order."""
        self._invariants.checks["replies"] += 1
        if is_repeat and not isinstance(answer, (TicketAnswer, RequestMismatch, *NO_ANSWER)):
            self._break(command, answer, "is told to somebody whose reservation took effect before")
        if isinstance(answer, Refusal):
            if not isinstance(answer, NO_ANSWER) and not self._was_true(command, asked, answer):
                self._break(command, answer, "was true at no moment")
            return
        states = self._history.tickets.get(command.ticket_id, [])
        version = answer.ticket.version
        if version > len(states) or states[version - 1] != answer.ticket:
            self._break(command, answer, "is not in the journal")
        elif version < asked.version and not self._may_be_old(command, answer):
            self._break(command, answer, f"is older than version {asked.version}, which was there before")
        if answer.order is not None and not isinstance(command, ReadTicket | CreateTicket):
            self._check_order(command, answer.order, is_mine=answer.fresh)

    def payment(self, order_id: str, answer: PaymentAnswer | Refusal) -> None:
        """To be called in the instant of the answer."""
        self._invariants.checks["replies"] += 1
        if isinstance(answer, Refusal):
            return
        charge = answer.charge
        charges = self._history.charges.get(charge.id, [])
        if charge.version > len(charges) or charges[charge.version - 1] != charge:
            self._break(order_id, charge, "is not in the journal")
        if answer.order.status is OrderStatus.COMPLETE and order_id not in self._invariants.bought:
            self._break(order_id, answer.order.status, "is not in the journal")
        if charge.status is ChargeStatus.COMPLETED and self._taken(charge.stripe_id) != charge.amount:
            self._break(order_id, charge.status, "is not what Stripe says")

    def read(self, order_id: str, version: int, found: Order | None) -> None:
        """Somebody who was told of a version of an order read it."""
        if found is None or found.version < version:
            self._break(order_id, found, f"is older than version {version}, which its reader was told of")

    def _may_be_old(self, command: TicketCommand, answer: TicketAnswer) -> bool:
        """Reads are answered from memory, which is behind while a host is being replaced."""
        if isinstance(command, ReadTicket):
            return not self._reads_are_exact and self._may_be_replaced
        # What changed something is answered with what it changed, however late.
        return answer.fresh

    @property
    def _may_be_replaced(self) -> bool:
        return self._world.loop.time() < self._world.calm_since + SETTLED or not self._world.is_calm

    def _check_order(self, command: TicketCommand, order: Order, *, is_mine: bool) -> None:
        orders = self._history.orders[order.id]
        if order.version > len(orders) or orders[order.version - 1] != order:
            self._break(command, order, "is not in the journal")
        stored = self._tables.documents["orders"].get(order.id)
        if is_mine and (stored is None or stored.entity.version < order.version):
            self._break(command, order.version, "cannot be read although it was acknowledged")

    def _was_true(self, command: TicketCommand, asked: Asked, answer: Refusal) -> bool:
        match command, answer:
            case Reserve(buyer_id=buyer_id, max_holds=int(most)), TooManyHolds():
                return self._held_by(buyer_id, asked) >= most
            case Reserve(buyer_id=buyer_id), TooManyUnpaidHolds():
                unpaid = self._invariants.unpaid.of(buyer_id, asked.at - self._invariants.tolerance)
                return unpaid >= unpaid_holds.MOST_OF_A_BUYER
        states: list[Ticket | None] = [None, *self._history.tickets.get(command.ticket_id, ())]
        contexts = [NO_CONTEXT]
        if isinstance(command, Reserve) and command.order_id in self._history.orders:
            contexts.extend(DecisionContext(0, order) for order in self._history.orders[command.order_id])
        if isinstance(command, EditTicket) and command.edit_id in self._invariants.edits:
            contexts.append(DecisionContext(edited_before=self._invariants.edits[command.edit_id]))
        tolerance = self._invariants.tolerance
        instants = {asked.at - tolerance, asked.at, self._now, self._now + tolerance}
        return any(
            _decides(state, command, at, context) == answer
            for state in states[asked.version :]
            for at in instants
            for context in contexts
        )

    def _held_by(self, buyer_id: str, asked: Asked) -> int:
        """How many tickets they held at some moment since the question. Another host reads of an end in documents."""
        return sum(
            orders[0].buyer_id == buyer_id
            and not all(order.offer for order in orders)
            and max(order.expires_at for order in orders) > asked.at - self._invariants.tolerance
            and self._invariants.over_since.get(order_id, self._now) >= asked.at
            for order_id, orders in self._history.orders.items()
        )

    def _taken(self, intent_id: str | None) -> int:
        return next((one.amount_received for one in self._ledger.all_intents if one.id == intent_id), 0)

    @property
    def _now(self) -> int:
        return int(self._world.now * 1000)

    def _break(self, question: object, answer: object, why: str) -> None:
        self._world.breaks(f"to {question} the answer was {answer}, which {why}")


def _decides(ticket: Ticket | None, command: TicketCommand, at: int, context: DecisionContext) -> Any:  # noqa: ANN401
    """What the sequential rules say to the command in this state."""
    for event in rules.due(ticket, at):
        ticket = evolve(ticket, event, at, command.ticket_id)
    return rules.decide(ticket, command, at, context)
