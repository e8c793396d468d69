"""Sellers and buyers of a simulation. They ask again when they hear nothing, and remember what they were told."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from actors.domain.answers import PaymentAnswer
from actors.domain.charge import charge_id
from actors.domain.purchase_commands import Pay, RefundOrder
from actors.domain.refusals import Overloaded, Refusal, Unavailable
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import (
    CancelOrder,
    CreateTicket,
    EditTicket,
    ReadTicket,
    Reserve,
    Sell,
    TicketCommand,
    WithdrawTicket,
)
from actors.domain.ticket_values import Order, TicketDetails
from tests.simulation.api import Api, ConnectionBrokenError
from tests.simulation.market import SimulatedMarket
from tests.simulation.replies import Replies

T = TypeVar("T")

CARDS = (
    ("pm_card_visa",) * 6
    + ("pm_card_authenticationRequired",) * 3
    + (
        "pm_card_chargeDeclined",
        "pm_card_pendingRefund",
        "pm_card_nobodyHasSuchOne",
    )
)
# How often somebody who hears nothing asks again.
TRIES = 4


@dataclass
class People:
    """Everybody who uses the market; `told` counts what they heard."""

    market: SimulatedMarket
    replies: Replies
    sellers: list[str]
    buyers: list[str]
    think: float
    tickets: list[tuple[str, str]] = field(default_factory=list)
    sold_by: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    told: Counter[str] = field(default_factory=Counter)
    most: int = 0
    secrets: list[str] = field(default_factory=list)
    _mine: dict[str, Order] = field(default_factory=dict)

    async def trade(self, commands: int) -> None:
        """Everybody does something again and again, until so many things were asked."""
        self.most = commands
        for seller in self.sellers:
            await self._list(seller)
        await asyncio.gather(*(self._live(person) for person in self.buyers + self.sellers))

    async def _live(self, person: str) -> None:
        random = self.market.world.random
        while self.asked < self.most:
            await asyncio.sleep(random.expovariate(1 / self.think))
            if person in self.sellers:
                await self._sell(person)
            else:
                await self._buy(person)

    async def _sell(self, seller: str) -> None:
        random = self.market.world.random
        ticket_id = self._some_ticket(of=seller)
        wish = random.random()
        if ticket_id is None or wish < 0.3:
            await self._list(seller)
        elif wish < 0.7:
            await self.ask_ticket(EditTicket(ticket_id, seller, self._details(), self.market.world.new_id()))
        elif wish < 0.75:
            await self._edit_several(seller)
        elif wish < 0.8:
            await self.ask_ticket(WithdrawTicket(ticket_id, seller))
        elif (order_id := self.some_sale(seller)) is not None:
            await self.refund(RefundOrder(order_id, seller))

    async def _buy(self, buyer: str) -> None:
        random = self.market.world.random
        mine = [order.id for order in self._mine.values() if order.buyer_id == buyer]
        wish = random.random()
        if not mine or wish < 0.38:
            await self._reserve(buyer)
        elif wish < 0.42:
            await self._hold_again_and_again(buyer)
        elif wish < 0.45:
            await self._reserve_several(buyer)
        elif wish < 0.5:
            await self._pay_several(mine[-4:])
        elif wish < 0.75:
            await self._pay(random.choice(mine[-4:]), random.choice((*CARDS, None)))
        elif wish < 0.87:
            await self.cancel(random.choice(mine[-4:]))
        elif wish < 0.93:
            await self._look(random.choice(mine[-4:]))
        elif wish < 0.97 and self.secrets:
            await self._confirm_in_the_browser(random.choice(self.secrets[-8:]))
        elif (ticket_id := self._some_ticket()) is not None:
            await self.ask_ticket(ReadTicket(ticket_id))

    async def _list(self, seller: str) -> None:
        ticket_id = self.market.world.new_id()
        answer = await self.ask_ticket(CreateTicket(ticket_id, seller, self._details()))
        if isinstance(answer, TicketAnswer):
            self.tickets.append((ticket_id, seller))

    async def _reserve(self, buyer: str) -> None:
        ticket_id = self._some_ticket()
        if ticket_id is not None:
            expected = self.market.world.random.choice((None, 1_000, 2_000, 3_000))
            await self.reserve_as(buyer, ticket_id, self.market.world.new_id(), expected)

    async def _hold_again_and_again(self, buyer: str) -> None:
        """Keeps a ticket from the others without ever paying."""
        ticket_id = self._some_ticket()
        if ticket_id is None:
            return
        for _ in range(5):
            order_id = self.market.world.new_id()
            await self.reserve_as(buyer, ticket_id, order_id)
            if order_id not in self._mine:
                return
            await self.cancel(order_id)

    # One key for several things, at once: of orders, of payments and of edits.

    async def _reserve_several(self, buyer: str) -> None:
        order_id = self.market.world.new_id()
        newest = [ticket_id for ticket_id, _ in self.tickets[-4:]]
        await asyncio.gather(*(self.reserve_as(buyer, ticket_id, order_id) for ticket_id in newest))

    async def _pay_several(self, orders: list[str]) -> None:
        request = self.market.world.new_id()
        cards = [self.market.world.random.choice(CARDS) for _ in orders]
        await asyncio.gather(*(self._pay(*each, request) for each in zip(orders, cards, strict=True)))

    async def _edit_several(self, seller: str) -> None:
        edit_id, details = self.market.world.new_id(), self._details()
        own = [ticket_id for ticket_id, by in self.tickets if by == seller][-4:]
        await asyncio.gather(*(self.ask_ticket(EditTicket(one, seller, details, edit_id)) for one in own))

    async def reserve_as(self, buyer: str, ticket_id: str, order_id: str, expected: int | None = None) -> None:
        """Somebody buys, or takes what is offered to them."""
        settings = self.market.settings
        reserve = Reserve(
            ticket_id,
            order_id,
            buyer,
            settings.reservation_window_ms,
            expected,
            settings.max_holds_per_buyer,
            request=f"{buyer}, {expected}",
        )
        answer = await self.ask_ticket(reserve)
        if isinstance(answer, TicketAnswer) and answer.order is not None:
            self._mine[answer.order.id] = answer.order

    async def cancel(self, order_id: str) -> None:
        """The buyer lets go of an order that they were told of."""
        if order_id not in self._mine:
            return
        answer = await self.ask_ticket(CancelOrder(self._mine[order_id].ticket_id, order_id))
        if isinstance(answer, TicketAnswer) and answer.order is not None:
            self._mine[order_id] = answer.order

    async def _look(self, order_id: str) -> None:
        """Who was told of an order can read it."""
        version = self._mine[order_id].version
        found = await self.request(lambda api: api.connections.queries.orders([order_id]))
        if found is not None:
            self.replies.read(order_id, version, found.get(order_id))

    async def _pay(self, order_id: str, card: str | None, request: str | None = None) -> None:
        wish = Pay(order_id, card, request)
        answer = await self._until_heard(wish, lambda api: api.actors.pay(wish))
        if answer is None:
            return
        self.replies.payment(order_id, answer)
        if isinstance(answer, PaymentAnswer):
            self.sold_by[order_id] = answer.order.seller_id
            if answer.order.is_open and answer.order.attempt > 1:
                await self._sell_late(answer.order)
            if answer.client_secret is not None:
                self.secrets.append(answer.client_secret)
                await self._authenticate(order_id, answer.client_secret)

    async def refund(self, wish: RefundOrder) -> None:
        """The seller gives money back, or an administrator does."""
        answer = await self._until_heard(wish, lambda api: api.actors.refund(wish))
        if answer is not None:
            self.replies.payment(wish.order_id, answer)

    async def _authenticate(self, order_id: str, secret: str) -> None:
        """Some go away, some are impatient and use another card at the same time, here or in their browser."""
        random = self.market.world.random
        await asyncio.sleep(random.expovariate(1 / self.think))
        wish = random.random()
        if wish < 0.2:
            return
        if wish < 0.4:
            await asyncio.gather(self._say_yes_later(secret), self._pay(order_id, random.choice(CARDS)))
        elif wish < 0.6:
            await self._confirm_in_the_browser(secret)
        elif wish < 0.8:
            await self._answer_the_bank(secret, succeeds=True)
        else:
            await self._answer_the_bank(secret, succeeds=False)
            await asyncio.sleep(random.expovariate(1 / self.think))
            await self._confirm_in_the_browser(secret)

    async def _sell_late(self, order: Order) -> None:
        """An OrderActor that was stopped when the bank said yes goes on, after its attempt was given up."""
        attempt = order.attempt - 1
        late = Sell(order.ticket_id, order.id, charge_id(order.id, attempt), order.price, attempt)
        await self.ask_ticket(late)

    async def _say_yes_later(self, secret: str) -> None:
        await asyncio.sleep(3 * self.market.world.random.random())
        await self._answer_the_bank(secret, succeeds=True)

    async def _answer_the_bank(self, secret: str, *, succeeds: bool) -> None:
        await self.request(lambda api: api.authenticate(secret, succeeds=succeeds))

    async def _confirm_in_the_browser(self, secret: str) -> None:
        """What Stripe.js lets everybody do who has seen a client secret, also late; our market is not asked."""
        card = self.market.world.random.choice(("pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined"))
        self.market.world.note("confirms in the browser", secret)
        await self.request(lambda api: api.confirm_in_the_browser(secret, card))

    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal | None:
        """The answer of a ticket, compared with what is true; None when there was none."""
        asked, is_repeat = self.replies.asked(command.ticket_id), False

        def ask(api: Api) -> Awaitable[TicketAnswer | Refusal]:
            nonlocal is_repeat
            is_repeat = self.replies.took_effect(command)
            return api.actors.ask_ticket(command)

        answer = await self._until_heard(command, ask)
        if answer is not None:
            self.replies.ticket(command, asked, answer, is_repeat=is_repeat)
        return answer

    async def _until_heard(self, what: object, route: Callable[[Api], Awaitable[T]]) -> T | None:
        """The answer, after a few tries; None when there was none."""
        self.asked += 1
        world = self.market.world
        world.note("asks", what)
        for _ in range(TRIES):
            answer = await self.request(route)
            if answer is not None and not isinstance(answer, Unavailable | Overloaded):
                world.note("hears", answer)
                self.told[type(answer).__name__] += 1
                return answer
            await asyncio.sleep(world.random.random() * self.think)
        self.told["nothing"] += 1
        return None

    async def request(self, route: Callable[[Api], Awaitable[T]]) -> T | None:
        """What a replica answers, None when the connection broke."""
        try:
            return await self.market.world.random.choice(self.market.apis).request(route)
        except ConnectionBrokenError:
            return None

    def _details(self) -> TicketDetails:
        world = self.market.world
        soon = world.random.choice((30_000, 120_000)) if world.random.random() < 0.2 else None
        starts = None if soon is None else int(world.now * 1000) + soon
        return TicketDetails("Chamber music", world.random.choice((1_000, 2_000, 3_000)), "usd", starts_at=starts)

    def _some_ticket(self, of: str | None = None) -> str | None:
        """One of the newest, so that people meet."""
        known = [ticket_id for ticket_id, seller in self.tickets if of in (None, seller)]
        return self.market.world.random.choice(known[-4:]) if known else None

    def some_sale(self, seller: str) -> str | None:
        """One of the newest of this seller."""
        sold = [order_id for order_id, by in self.sold_by.items() if by == seller]
        return self.market.world.random.choice(sold[-4:]) if sold else None
