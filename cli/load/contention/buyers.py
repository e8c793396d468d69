"""Buyers of a contended market: all of them want the same few tickets."""

import random
from dataclasses import dataclass
from http import HTTPStatus

from cli.history.operations import Kind
from cli.load.contention.hot_tickets import HotTicket, TicketPool
from cli.load.contention.recording_client import Call, RecordingClient, Response

CARDS = ("pm_card_visa",) * 3 + ("pm_card_chargeDeclined",)
OWN_LIST = 20
# Orders that a buyer comes back to, also when they are over.
REMEMBERED = 6
# Those who reserve and never come back: their holds end by themselves.
LOSE_INTEREST = 0.3
LOOK_AFTERWARDS = 0.5
# How often a buyer comes back to a ticket of theirs, and among those who do not, only reads.
COME_BACK = 0.65
ONLY_READ = 0.25
NAME_A_PRICE = 0.5
SEND_A_KEY = 0.5
# How often those who were refused wait in line, and those in line look for an offer or leave instead of anything else.
WAIT = 0.5
LOOK_FOR_AN_OFFER = 0.3
LEAVE = 0.02
ACCEPT = 0.6
# How often those who come back pay, cancel and read.
SHARES = (50, 30, 20)
# How often those who lost interest only read.
NO_INTEREST = 0.8
READ_ONE = 0.35


@dataclass(slots=True)
class Held:
    """An order as its buyer knows it."""

    id: str
    ticket: HotTicket
    is_wanted: bool
    is_over: bool = False


class Buyer:
    """What the processes of one buyer share: the orders that they know of."""

    def __init__(self, pool: TicketPool, chance: random.Random) -> None:
        self._pool = pool
        self._chance = chance
        self._orders: list[Held] = []
        self._lines: dict[str, HotTicket] = {}

    async def acts(self, client: RecordingClient) -> None:
        """Do one thing, and perhaps look whether the market shows it."""
        known = [order for order in self._orders if order.ticket.left > 0]
        if self._lines and self._chance.random() < LOOK_FOR_AN_OFFER:
            await self._look_at_orders(client)
        elif self._lines and self._chance.random() < LEAVE:
            await self._leave(client, self._chance.choice(list(self._lines.values())))
        elif known and self._chance.random() < COME_BACK:
            order = self._chance.choice(known)
            order.ticket.left -= 1
            await self._go_on(client, order)
        elif (ticket := self._pool.any_ticket(self._chance)) is not None:
            ticket.left -= 1
            await self._approach(client, ticket)

    async def _approach(self, client: RecordingClient, ticket: HotTicket) -> None:
        if self._chance.random() < ONLY_READ:
            answer = await client.ask(Call(Kind.READ_TICKET, "GET", f"/api/tickets/{ticket.id}", ticket=ticket.id))
            if answer is not None and answer.is_made:
                ticket.price = answer.fields["price"]
                if answer.fields["status"] in ("sold", "withdrawn"):
                    ticket.ends()
        else:
            await self._reserve(client, ticket)

    async def _reserve(self, client: RecordingClient, ticket: HotTicket) -> None:
        arguments = {"expectedPrice": ticket.price} if self._chance.random() < NAME_A_PRICE else {}
        keyed = self._chance.random() < SEND_A_KEY
        body = {"ticketId": ticket.id, **arguments}
        answer = await client.ask(
            Call(Kind.RESERVE, "POST", "/api/orders", body, ticket=ticket.id, arguments=arguments, keyed=keyed)
        )
        if answer is None or not answer.is_made:
            if answer is not None and self._chance.random() < WAIT:
                await self._join(client, ticket)
            return
        self._remember(answer.fields["id"], ticket)
        await self._look(client, answer)

    def _remember(self, order_id: str, ticket: HotTicket) -> None:
        if all(order.id != order_id for order in self._orders):
            is_wanted = self._chance.random() >= LOSE_INTEREST
            self._orders = [*self._orders[-REMEMBERED:], Held(order_id, ticket, is_wanted)]

    async def _join(self, client: RecordingClient, ticket: HotTicket) -> None:
        limit = {"maxPrice": ticket.price} if self._chance.random() < NAME_A_PRICE else {}
        path = f"/api/tickets/{ticket.id}/waiting"
        answer = await client.ask(Call(Kind.JOIN, "POST", path, limit, ticket=ticket.id, arguments=limit))
        if answer is not None and answer.is_made:
            self._lines[ticket.id] = ticket

    async def _leave(self, client: RecordingClient, ticket: HotTicket) -> None:
        self._lines.pop(ticket.id, None)
        await client.ask(Call(Kind.LEAVE, "DELETE", f"/api/tickets/{ticket.id}/waiting", ticket=ticket.id))

    async def _go_on(self, client: RecordingClient, order: Held) -> None:
        if not order.is_wanted and not order.is_over and self._chance.random() < NO_INTEREST:
            await self._read(client, order)
        else:
            (does,) = self._chance.choices((self._pay, self._cancel, self._read), SHARES)
            await does(client, order)

    async def _cancel(self, client: RecordingClient, order: Held) -> None:
        path = f"/api/orders/{order.id}"
        answer = await client.ask(Call(Kind.CANCEL, "DELETE", path, ticket=order.ticket.id, order=order.id))
        order.is_over = True
        await self._look(client, answer, order)

    async def _pay(self, client: RecordingClient, order: Held) -> None:
        card = self._chance.choice(CARDS)
        body = {"orderId": order.id, "paymentMethod": card}
        arguments = {"paymentMethod": card}
        answer = await client.ask(Call(Kind.PAY, "POST", "/api/payments", body, order.ticket.id, order.id, arguments))
        order.is_over = True
        if answer is not None and answer.is_made:
            order.ticket.ends()
        await self._look(client, answer, order)

    async def _look(self, client: RecordingClient, answer: Response | None, order: Held | None = None) -> None:
        """Look for one's own acknowledged write, now and then."""
        is_write = answer is not None and (answer.is_success or answer.status == HTTPStatus.PAYMENT_REQUIRED)
        if not is_write or self._chance.random() >= LOOK_AFTERWARDS:
            return
        if order is not None and self._chance.random() < READ_ONE:
            await self._read(client, order)
        else:
            await self._look_at_orders(client)

    async def _read(self, client: RecordingClient, order: Held) -> None:
        path = f"/api/orders/{order.id}"
        await client.ask(Call(Kind.READ_ORDER, "GET", path, ticket=order.ticket.id, order=order.id))

    async def _look_at_orders(self, client: RecordingClient) -> None:
        path = f"/api/orders?limit={OWN_LIST}"
        answer = await client.ask(Call(Kind.OWN_ORDERS, "GET", path, arguments={"limit": OWN_LIST}))
        for order in answer.fields.get("items", ()) if answer is not None else ():
            ticket = self._lines.pop(order["ticket"], None) if order.get("offer") else None
            if ticket is not None:
                self._remember(order["id"], ticket)
                if self._chance.random() < ACCEPT:
                    await self._reserve(client, ticket)
