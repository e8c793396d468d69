"""Histories written by hand: one ticket of Sam's, listed at 20 in the first second."""

import itertools
from datetime import UTC, datetime
from typing import Any

from cli.history.linearizability import violations
from cli.history.operations import NEVER, History, Kind, Operation

TICKET = "ticket-1"
SAM = "sam"
WINDOW, OFFER_WINDOW = 900.0, 600.0
VISA = {"paymentMethod": "pm_card_visa"}
UNEXPLAINED = ["no order of the operations explains the answers"]
DECLINED_CARD = {"paymentMethod": "pm_card_chargeDeclined"}


def iso(seconds: float) -> str:
    """The time of day that the market would tell."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def rules(history: History) -> list[str]:
    """The rules that the history breaks."""
    return [violation.rule for violation in violations(history)]


class Told:
    """Writes down what people were told; times are seconds, from asking to answer. Both clocks begin at 0."""

    def __init__(self, price: float = 20.0, window: float = WINDOW, offer_window: float = OFFER_WINDOW) -> None:
        self._operations: list[Operation] = []
        self._window = window
        self._offer_window = offer_window
        self._numbers = itertools.count()
        shown = {"id": TICKET, "price": price, "status": "available", "orderId": None, "version": 1}
        self.add(Kind.LIST, SAM, (0, 1), 201, answer={**shown, "createdAt": iso(0.5)}, arguments={"price": price})

    def history(self, reservation_seconds: float | None = None) -> History:
        """The history so far, in the order of asking."""
        ordered = sorted(self._operations, key=lambda operation: operation.invoked)
        return History(tuple(ordered), 0, 0, reservation_seconds or self._window, 0, self._offer_window)

    def add(  # noqa: PLR0913 - a line of a history
        self,
        kind: Kind,
        person: str,
        during: tuple[float, float],
        status: int | None,
        *,
        order: str | None = None,
        answer: dict[str, Any] | None = None,
        arguments: dict[str, Any] | None = None,
        ticket: str | None = TICKET,
    ) -> Operation:
        """Any line at all; without a status its outcome is unknown."""
        invoked, answered = during
        operation = Operation(
            next(self._numbers), person, person, kind, ticket, order, arguments or {}, invoked,
            NEVER if status is None else answered, status, answer or {},
        )  # fmt: skip
        self._operations.append(operation)
        return operation

    def held(self, buyer: str, during: tuple[float, float], order: str, price: float = 20.0) -> None:
        """The buyer reserved and got this order."""
        shown = self.order(order, price=price, ends=during[1] + self._window)
        self.add(Kind.RESERVE, buyer, during, 201, order=order, answer=shown)

    def refused(self, kind: Kind, person: str, during: tuple[float, float], message: str, **rest: Any) -> None:  # noqa: ANN401
        """A 409 with this text."""
        self.add(kind, person, during, 409, answer={"message": message}, **rest)

    def edited(self, during: tuple[float, float], price: float, version: int) -> None:
        """Sam set this price."""
        shown = {"id": TICKET, "price": price, "status": "available", "orderId": None, "version": version}
        self.add(Kind.EDIT, SAM, during, 200, answer=shown, arguments={"price": price})

    def read(self, during: tuple[float, float], price: float, status: str, order: str | None, version: int) -> None:
        """Somebody read the ticket by its id."""
        shown = {"id": TICKET, "price": price, "status": status, "orderId": order, "version": version}
        self.add(Kind.READ_TICKET, "anybody", during, 200, answer=shown)

    def cancelled(self, buyer: str, during: tuple[float, float], order: str) -> None:
        """The buyer let go."""
        self.add(Kind.CANCEL, buyer, during, 204, order=order)

    def joined(
        self, person: str, during: tuple[float, float], place: int, status: int = 201, most: float | None = None
    ) -> None:
        """The person waits in this place."""
        arguments = {} if most is None else {"maxPrice": most}
        answer = {"ticketId": TICKET, "place": place}
        self.add(Kind.JOIN, person, during, status, answer=answer, arguments=arguments)

    def left(self, person: str, during: tuple[float, float]) -> None:
        """The person waits no more."""
        self.add(Kind.LEAVE, person, during, 204)

    def closed(self, during: tuple[float, float]) -> None:
        """Sam closed the line."""
        self.add(Kind.CLOSE_LINE, SAM, during, 204)

    def accepted(self, buyer: str, during: tuple[float, float], order: str) -> None:
        """The buyer asked for what was offered, and has it for as long as any hold."""
        shown = self.order(order, version=2, ends=during[1] + self._window)
        self.add(Kind.RESERVE, buyer, during, 200, order=order, answer=shown)

    def paid(self, buyer: str, during: tuple[float, float], order: str, status: int | None = 201) -> None:
        """The buyer paid, and was answered so."""
        answer = {"orderId": order} if status in (200, 201) else {}
        self.add(
            Kind.PAY, buyer, during, status, order=order, answer=answer, arguments={"paymentMethod": "pm_card_visa"}
        )

    def listed(self, buyer: str, during: tuple[float, float], *orders: dict[str, Any], limit: int = 20) -> None:
        """The buyer looked at their own orders and saw these."""
        arguments = {"limit": limit}
        self.add(Kind.OWN_ORDERS, buyer, during, 200, answer={"items": list(orders)}, arguments=arguments, ticket=None)

    def order(  # noqa: PLR0913 - the fields of an order
        self,
        order: str,
        *,
        price: float = 20.0,
        status: str = "created",
        version: int = 1,
        reason: str | None = None,
        ends: float = WINDOW,
        created: float = 1.0,
        offer: bool = False,
    ) -> dict[str, Any]:
        """An order as it is shown."""
        shown = {
            "id": order, "status": status, "price": price, "version": version, "ticket": TICKET,
            "expiresAt": iso(ends), "createdAt": iso(created),
        }  # fmt: skip
        if offer:
            shown["offer"] = True
        return shown if reason is None else {**shown, "cancelReason": reason}
