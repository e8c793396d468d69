"""What people saw in documents: orders by id, in their own lists and in repeated answers, and their own tickets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli.history.operations import History, Kind, Operation
from cli.history.sequential_model import Ticket, order_of

OK = 200


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """An order as somebody saw it; `by` says in which operation."""

    order: str
    person: str
    invoked: float
    answered: float
    status: str
    version: int
    price: float
    reason: str | None
    is_offer: bool
    expires_at: str
    by: Operation

    @property
    def what(self) -> object:
        """What was seen, whenever it was."""
        return self.order, self.status, self.version, self.price, self.reason, self.is_offer

    @property
    def label(self) -> str:
        """One line for people."""
        return f"{self.by} [saw {self.order} {self.status} v{self.version} {self.reason or ''} at {self.price}]"

    def agreeing(self, ticket: Ticket) -> Iterator[Ticket]:
        """Yield the ticket if its order is as it was seen, by its buyer."""
        order = order_of(ticket, self.order)
        if order is None:
            return
        if (order.buyer, order.status, order.version, order.price, order.reason, order.offer) == (
            self.person, self.status, self.version, self.price, self.reason, self.is_offer,
        ):  # fmt: skip
            yield ticket


@dataclass(frozen=True, slots=True)
class TicketSeen:
    """A ticket in its seller's list, which says by the orders who holds it: only the ticket's own fields count."""

    ticket: str
    person: str
    invoked: float
    answered: float
    version: int
    price: float
    is_withdrawn: bool
    by: Operation

    @property
    def what(self) -> object:
        """What was seen, whenever it was."""
        return self.ticket, self.version, self.price, self.is_withdrawn

    @property
    def label(self) -> str:
        """One line for people."""
        withdrawn = " withdrawn" if self.is_withdrawn else ""
        return f"{self.by} [saw the ticket v{self.version} at {self.price}{withdrawn}]"

    def agreeing(self, ticket: Ticket) -> Iterator[Ticket]:
        """Yield the ticket if it is as it was seen."""
        if (ticket.version, ticket.price, ticket.withdrawn) == (self.version, self.price, self.is_withdrawn):
            yield ticket


class Sightings:
    """All that was seen in a history, by ticket."""

    def __init__(self, history: History) -> None:
        self.orders: dict[str, list[OrderSeen]] = {}
        self.tickets: dict[str, list[TicketSeen]] = {}
        for operation in history.operations:
            if operation.is_certain:
                self._note(operation)

    def _note(self, operation: Operation) -> None:
        match operation.kind, operation.status:
            case Kind.OWN_ORDERS, 200:
                for item in operation.answer["items"]:
                    self._note_order(operation, item["ticket"], item)
            case Kind.OWN_TICKETS, 200:
                for item in operation.answer["items"]:
                    self._note_ticket(operation, item)
            case Kind.READ_ORDER, 200:
                self._note_order(operation, operation.ticket or "", operation.answer)
            case Kind.RESERVE, 200 | 201 if _is_of_the_document(operation):
                self._note_order(operation, operation.ticket or "", operation.answer)

    def _note_order(self, operation: Operation, ticket_id: str, shown: Mapping[str, Any]) -> None:
        self.orders.setdefault(ticket_id, []).append(
            OrderSeen(
                order=shown["id"],
                person=operation.person,
                invoked=operation.invoked,
                answered=operation.answered,
                status=shown["status"],
                version=shown["version"],
                price=shown["price"],
                reason=shown.get("cancelReason"),
                is_offer=shown.get("offer", False),
                expires_at=shown["expiresAt"],
                by=operation,
            )
        )

    def _note_ticket(self, operation: Operation, shown: Mapping[str, Any]) -> None:
        self.tickets.setdefault(shown["id"], []).append(
            TicketSeen(
                ticket=shown["id"],
                person=operation.person,
                invoked=operation.invoked,
                answered=operation.answered,
                version=shown["version"],
                price=shown["price"],
                is_withdrawn=shown["status"] == "withdrawn",
                by=operation,
            )
        )


def _is_of_the_document(operation: Operation) -> bool:
    """Whether the answer may tell how the order stood at another moment than that of reserving.

    A repeat of a request with a key is answered from the order's document, and one within the market with the order as
    it was by then.
    """
    return "key" in operation.arguments if operation.status == OK else operation.answer.get("version", 1) > 1
