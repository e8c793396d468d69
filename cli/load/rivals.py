"""Buyers of a contended market: all of them want the same few tickets."""

import random
from dataclasses import dataclass
from http import HTTPStatus

from cli.load.history_file import Operation
from cli.load.hot_tickets import HotTicket, Places
from cli.load.witness import Question, Told, Witness

CARDS = ("pm_card_visa",) * 3 + ("pm_card_chargeDeclined",)
OWN_LIST = 20
# Orders that a buyer comes back to, also when they are over.
REMEMBERED = 6
# Those who reserve and never come back: their holds end by themselves.
LOSE_INTEREST = 0.3
LOOK_AFTERWARDS = 0.35
MADE_UNTIL = 300


@dataclass(slots=True)
class Held:
    """An order as its buyer knows it."""

    id: str
    ticket: HotTicket
    is_wanted: bool
    is_over: bool = False


class Rival:
    """What the processes of one buyer share: the orders that they know of."""

    def __init__(self, places: Places, chance: random.Random) -> None:
        self._places = places
        self._chance = chance
        self._orders: list[Held] = []

    async def acts(self, witness: Witness) -> None:
        """Do one thing, and perhaps look whether the market shows it."""
        known = [order for order in self._orders if order.ticket.left > 0]
        if known and self._chance.random() < 0.65:  # noqa: PLR2004 - shares of the day
            order = self._chance.choice(known)
            order.ticket.left -= 1
            await self._go_on(witness, order)
        elif (ticket := self._places.any_ticket(self._chance)) is not None:
            ticket.left -= 1
            await self._approach(witness, ticket)

    async def _approach(self, witness: Witness, ticket: HotTicket) -> None:
        if self._chance.random() < 0.25:  # noqa: PLR2004 - as above
            answer = await witness.ask(
                Question(Operation.READ_TICKET, "GET", f"/api/tickets/{ticket.id}", ticket=ticket.id)
            )
            if answer is not None and answer.is_made:
                ticket.price = answer.fields["price"]
                if answer.fields["status"] in ("sold", "withdrawn"):
                    ticket.ends()
        else:
            await self._reserve(witness, ticket)

    async def _reserve(self, witness: Witness, ticket: HotTicket) -> None:
        arguments = {"expectedPrice": ticket.price} if self._chance.random() < 0.5 else {}  # noqa: PLR2004 - as above
        keyed = self._chance.random() < 0.5  # noqa: PLR2004 - as above
        body = {"ticketId": ticket.id, **arguments}
        answer = await witness.ask(
            Question(Operation.RESERVE, "POST", "/api/orders", body, ticket=ticket.id, arguments=arguments, keyed=keyed)
        )
        if answer is None or not answer.is_made:
            return
        if all(order.id != answer.fields["id"] for order in self._orders):
            is_wanted = self._chance.random() >= LOSE_INTEREST
            self._orders = [*self._orders[-REMEMBERED:], Held(answer.fields["id"], ticket, is_wanted)]
        await self._look(witness, answer)

    async def _go_on(self, witness: Witness, order: Held) -> None:
        roll = self._chance.random()
        if not order.is_wanted and not order.is_over and roll < 0.8:  # noqa: PLR2004 - as above
            await self._read(witness, order)
        elif roll < 0.5:  # noqa: PLR2004 - as above
            await self._pay(witness, order)
        elif roll < 0.8:  # noqa: PLR2004 - as above
            path = f"/api/orders/{order.id}"
            answer = await witness.ask(
                Question(Operation.CANCEL, "DELETE", path, ticket=order.ticket.id, order=order.id)
            )
            order.is_over = True
            await self._look(witness, answer, order)
        else:
            await self._read(witness, order)

    async def _pay(self, witness: Witness, order: Held) -> None:
        card = self._chance.choice(CARDS)
        body = {"orderId": order.id, "paymentMethod": card}
        arguments = {"paymentMethod": card}
        answer = await witness.ask(
            Question(Operation.PAY, "POST", "/api/payments", body, order.ticket.id, order.id, arguments)
        )
        order.is_over = True
        if answer is not None and answer.is_made:
            order.ticket.ends()
        await self._look(witness, answer, order)

    async def _look(self, witness: Witness, answer: Told | None, order: Held | None = None) -> None:
        """Look for one's own acknowledged write, now and then."""
        certain = answer is not None and (answer.status < MADE_UNTIL or answer.status == HTTPStatus.PAYMENT_REQUIRED)
        if not certain or self._chance.random() >= LOOK_AFTERWARDS:
            return
        if order is not None and self._chance.random() < 0.5:  # noqa: PLR2004 - as above
            await self._read(witness, order)
        else:
            await self._look_at_orders(witness)

    async def _read(self, witness: Witness, order: Held) -> None:
        path = f"/api/orders/{order.id}"
        await witness.ask(Question(Operation.READ_ORDER, "GET", path, ticket=order.ticket.id, order=order.id))

    async def _look_at_orders(self, witness: Witness) -> None:
        path = f"/api/orders?limit={OWN_LIST}"
        await witness.ask(Question(Operation.OWN_ORDERS, "GET", path, arguments={"limit": OWN_LIST}))
