"""Buying in a market under test, and what the sandbox's ledger says of the money."""

import time
from collections.abc import Callable

from actors.domain.answers import ChargeAnswer
from actors.domain.charge_commands import PaymentCommand
from actors.domain.charge_values import Charge
from actors.domain.purchase_commands import Pay
from actors.domain.refusals import Refusal
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import TicketCommand
from actors.domain.ticket_values import Order
from actors.payments.charge_workflow import ChargeWorkflow
from actors.payments.participants import Participants
from actors.payments.purchase import new_charge
from actors.payments.purchase_runner import PurchaseRunner
from actors.runtime.ports import Clock, Instant
from actors.storage.sandbox_ledger import MongoLedger
from actors.stripe.client import Stripe
from actors.stripe.sandbox.authentication import intent_id_of
from actors.stripe.sandbox.ledger import Span
from actors.stripe.sandbox.ledger_entry import Change
from actors.stripe.sandbox.payment_intent import PaymentIntent
from actors.stripe.sandbox.request import Request
from actors.supervision.stalled_purchases import STANDS_STILL_MS
from tests.support.examples import WINDOW
from tests.support.local_market import LocalMarket
from tests.support.trading import held, listed

VISA = "pm_card_visa"
DECLINED = "pm_card_chargeDeclined"
WANTS_ACTION = "pm_card_authenticationRequired"
UNKNOWN = "pm_card_nobodyHasSuchOne"


async def an_order(market: LocalMarket, *, window: int = WINDOW) -> Order:
    """An order that holds a new ticket."""
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id, window=window)
    return (await market.connections.queries.orders([hold.order_id]))[hold.order_id]


async def order_now(market: LocalMarket, order: Order) -> Order:
    """The order as its document says."""
    return (await market.connections.queries.orders([order.id]))[order.id]


async def money(market: LocalMarket, order: Order) -> dict[str, int]:
    """What the ledger has for an order: intents by status, and cents that were taken and given back."""
    found = {"taken": 0, "given back": 0}
    for intent in await intents_of(market, order):
        found[intent.status] = found.get(intent.status, 0) + 1
        found["taken"] += intent.amount_received
        found["given back"] += sum(refund.amount for refund in intent.refunds)
    return found


async def intents_of(market: LocalMarket, order: Order) -> list[PaymentIntent]:
    """What the ledger has for an order."""
    return [intent for intent in await all_intents(market) if intent.metadata["orderId"] == order.id]


async def charge_of(market: LocalMarket, order: Order) -> Charge:
    """The one charge of an order, once all documents are written."""
    await market.writes_everything()
    (charge,) = await market.connections.queries.charges_of(order.id)
    return charge


async def all_intents(market: LocalMarket) -> list[PaymentIntent]:
    """All that the ledger has."""
    ledger = MongoLedger(market.connections.database)
    made = await ledger.listed("intent", Span(10_000))
    return list((await ledger.load_all([one.id for one in made])).values())


async def changed_at_stripe(
    market: LocalMarket, order: Order, change: Callable[[PaymentIntent], PaymentIntent]
) -> None:
    """Something that no request asked for happens to the one intent of an order."""
    (intent,) = await intents_of(market, order)
    assert await MongoLedger(market.connections.database).append(Change(time.time(), change(intent).next_version()))


def purchases(market: LocalMarket, participants: Participants) -> PurchaseRunner:
    """An OrderActor of its own that talks to these participants."""
    return market.purchase_runner(participants)


def through(market: LocalMarket, stripe: Stripe) -> None:
    """The market pays through this Stripe from now on."""
    market.payments = ChargeWorkflow(market.charges.host, stripe, market.connections.clock)


def a_charge(market: LocalMarket, order: Order) -> Charge:
    """The charge of the order's current attempt, as an OrderActor would have it opened."""
    return new_charge(order, VISA, market.connections.clock.now())


class Interrupted:
    """Counterparts of an actor that dies at one message: `before` it is sent, or after it was handled."""

    def __init__(self, market: LocalMarket, at: type, *, before: bool) -> None:
        self._market = market
        self._at = at
        self._before = before
        self.died = False

    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
        self._die(command, now=self._before)
        answer = await self._market.ask_ticket(command)
        self._die(command, now=not self._before)
        return answer

    async def ask_charge(self, command: PaymentCommand) -> ChargeAnswer | Refusal:
        self._die(command, now=self._before)
        answer = await self._market.ask_charge(command)
        self._die(command, now=not self._before)
        return answer

    def _die(self, command: object, *, now: bool) -> None:
        if isinstance(command, self._at) and now:
            self.died = True
            raise ActorDiedError


class ActorDiedError(Exception):
    """The process of an OrderActor ended."""


async def pay_until_it_dies(market: LocalMarket, order: Order, at: type, *, before: bool) -> None:
    interrupted = Interrupted(market, at, before=before)
    try:
        await purchases(market, interrupted).handle(Pay(order.id, VISA))
    except ActorDiedError:
        return
    raise AssertionError(f"no {at.__name__} was sent")


class Ahead:
    """A clock that is ahead of another one, in ms."""

    def __init__(self, clock: Clock, by: int) -> None:
        self._clock = clock
        self._by = by

    def now(self) -> Instant:
        return self._clock.now() + self._by


async def recovered(market: LocalMarket) -> None:
    """A round of the Supervisor, at a time when everything of now stands still."""
    await market.writes_everything()
    recovery, stalled_purchases = market.recovery(), market.stalled_purchases()
    recovery._clock = stalled_purchases._clock = Ahead(market.connections.clock, STANDS_STILL_MS + 1_000)
    await recovery.round(market.live, set())
    await stalled_purchases.round()


async def confirmed_in_a_browser(market: LocalMarket, secret: str, card: str = VISA) -> int:
    """The status of Stripe's answer to a browser that confirms an intent, as Stripe.js does, with this card."""
    fields = {"key": "pk_test_browser", "client_secret": secret, "payment_method": card}
    path = f"/v1/payment_intents/{intent_id_of(secret)}/confirm"
    assert market.account.sandbox is not None
    return (await market.account.sandbox.answer(Request("post", path, fields, None, None, "req_browser"))).status
