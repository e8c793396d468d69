"""Histories that a market could have made: the sequential model asked at random, told with overlapping intervals."""

import random
from dataclasses import dataclass

from cli.history.operations import History, Kind
from cli.history.requests import (
    Cancel,
    CloseLine,
    Decline,
    Edit,
    Expire,
    Join,
    Leave,
    Pay,
    ReadAfterJoin,
    ReadTicket,
    Request,
    Reserve,
    StartPayment,
    Withdraw,
)
from cli.history.sequential_model import Answer, Order, Ticket, happen, order_of, respond
from tests.chaos.writing import DECLINED_CARD, SAM, TICKET, VISA, Told

PRICES = (20.0, 25.0, 30.0)
BUYERS = ("ann", "bea", "cy")
LIMITS = (None, None, 20.0)
# In steps of the invention, one a second: short enough that some holds end by themselves.
WINDOW, OFFER_WINDOW = 12.0, 8.0
# How long before and after its moment an operation may be asked and answered.
LONGEST_OVERLAP = 3.0
UNKNOWN = 0.1


@dataclass(slots=True)
class _Payment:
    buyer: str
    order: str
    card: dict[str, str]
    invoked: float


def invented(chance: random.Random, steps: int) -> History:
    """Return a history of so many steps, which is right whatever chance says."""
    return _Invention(chance).history(steps)


class _Invention:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._told = Told(window=WINDOW, offer_window=OFFER_WINDOW)
        self._ticket = Ticket(20.0, id=TICKET)
        self._now = 5.0
        self._orders: dict[str, float] = {}
        self._payments: list[_Payment] = []
        self._declined: set[str] = set()

    def history(self, steps: int) -> History:
        for _ in range(steps):
            self._now += 1
            self._expire()
            self._step()
            self._note_offer()
        for payment in list(self._payments):
            self._finish(payment)
        return self._told.history()

    def _expire(self) -> None:
        order = self._ticket.order
        if order is not None and order.is_open and self._now >= self._orders[order.id]:
            self._ticket = happen(self._ticket, Expire(order.id, order.offer)) or self._ticket
            self._note_offer()

    def _note_offer(self) -> None:
        order = self._ticket.order
        if order is not None and order.offer:
            self._orders.setdefault(order.id, self._now + OFFER_WINDOW)

    def _step(self) -> None:
        chance, order_id = self._chance, self._chance.choice([*self._orders, ""])
        roll = chance.random()
        if self._payments and roll < 0.3:
            self._go_on(chance.choice(self._payments))
        elif roll < 0.4:
            self._reserve()
        elif roll < 0.51:
            self._change_the_line()
        elif roll < 0.6:
            price = chance.choice(PRICES)
            self._ask(Kind.EDIT, SAM, Edit(price), arguments={"price": price})
        elif roll < 0.61:
            self._ask(Kind.WITHDRAW, SAM, Withdraw())
        elif roll < 0.75 or not order_id:
            self._ask(Kind.READ_TICKET, "anybody", ReadTicket())
        elif roll < 0.85:
            card = chance.choice([VISA, VISA, DECLINED_CARD])
            invoked, _ = self._during()
            self._payments.append(_Payment(self._buyer(order_id), order_id, card, invoked))
            if card is DECLINED_CARD:
                self._declined.add(order_id)
        elif roll < 0.92:
            self._ask(Kind.CANCEL, self._buyer(order_id), Cancel(order_id), order=order_id)
        else:
            self._look(order_id)

    def _reserve(self) -> None:
        order_id = f"order-{len(self._orders) + 1}"
        expected = self._chance.choice([None, self._ticket.price, self._chance.choice(PRICES)])
        request = Reserve(self._chance.choice(BUYERS), order_id, expected)
        arguments = {} if expected is None else {"expectedPrice": expected}
        before = self._ticket
        self._ticket, answer = next(respond(before, request))
        known = self._chance.random() >= UNKNOWN
        if self._ticket is not before and self._ticket.order is not None:
            self._orders[self._ticket.order.id] = self._now + WINDOW
        shown = dict(answer.fields)
        order = order_of(self._ticket, str(shown.get("id")))
        if order is not None and answer.status < 300:
            shown = self._shown(order)
        self._told.add(
            Kind.RESERVE, request.buyer, self._during(), answer.status if known else None,
            order=order.id if order and known else None, answer=shown if known else {}, arguments=arguments,
        )  # fmt: skip

    def _change_the_line(self) -> None:
        roll, person = self._chance.random(), self._chance.choice(BUYERS)
        if roll < 0.7:
            self._join(person)
        elif roll < 0.9:
            self._ask(Kind.LEAVE, person, Leave(person))
        else:
            self._ask(Kind.CLOSE_LINE, SAM, CloseLine())

    def _join(self, person: str) -> None:
        request = Join(person, self._chance.choice(LIMITS))
        self._ticket, answer = next(respond(self._ticket, request))
        if answer.status < 300:
            answer = Answer(answer.status, next(respond(self._ticket, ReadAfterJoin(request.person)))[1].fields)
        arguments = {} if request.most is None else {"maxPrice": request.most}
        self._tell(Kind.JOIN, request.person, answer, self._during(), None, dict(arguments))

    def _go_on(self, payment: _Payment) -> None:
        order = order_of(self._ticket, payment.order)
        if order is not None and order.status == "created":
            self._ticket = happen(self._ticket, StartPayment(payment.order)) or self._ticket
        else:
            self._finish(payment)

    def _finish(self, payment: _Payment) -> None:
        self._payments.remove(payment)
        may_fail = payment.card is DECLINED_CARD
        self._ticket = (happen(self._ticket, StartPayment(payment.order))) or self._ticket
        if may_fail:
            self._ticket = happen(self._ticket, Decline(payment.order)) or self._ticket
        self._ticket, answer = list(respond(self._ticket, Pay(payment.order, may_fail=may_fail)))[-1]
        self._tell(
            Kind.PAY, payment.buyer, answer, (payment.invoked, self._during()[1]), payment.order, dict(payment.card)
        )

    def _ask(
        self,
        kind: Kind,
        person: str,
        request: Request,
        *,
        order: str | None = None,
        arguments: dict[str, float] | None = None,
    ) -> None:
        self._ticket, answer = next(respond(self._ticket, request))
        self._tell(kind, person, answer, self._during(), order, dict(arguments or {}))

    def _tell(  # noqa: PLR0913, PLR0917 - a line of a history
        self,
        kind: Kind,
        person: str,
        answer: Answer,
        during: tuple[float, float],
        order: str | None,
        arguments: dict[str, object],
    ) -> None:
        known = self._chance.random() >= UNKNOWN
        fields = dict(answer.fields) if known else {}
        status = answer.status if known else None
        self._told.add(kind, person, during, status, order=order, answer=fields, arguments=arguments)

    def _look(self, order_id: str) -> None:
        order = order_of(self._ticket, order_id)
        assert order is not None
        self._told.add(Kind.READ_ORDER, order.buyer, self._during(), 200, order=order_id, answer=self._shown(order))

    def _shown(self, order: Order) -> dict[str, object]:
        return self._told.order(
            order.id, price=order.price, status=order.status, version=order.version, reason=order.reason,
            ends=self._orders[order.id], created=self._orders[order.id] - WINDOW, offer=order.offer,
        )  # fmt: skip

    def _during(self) -> tuple[float, float]:
        """An interval around this moment. A ticket is not asked for before it is listed."""
        overlap = self._chance.uniform(0.1, LONGEST_OVERLAP), self._chance.uniform(0.1, LONGEST_OVERLAP)
        return self._now - overlap[0], self._now + overlap[1]

    def _buyer(self, order_id: str) -> str:
        order = order_of(self._ticket, order_id)
        assert order is not None
        return order.buyer
