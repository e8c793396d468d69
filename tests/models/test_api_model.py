"""The API answers as its model says, over real HTTP; with a rule of the product broken the search finds it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId
from pydantic import SecretStr

from actors.domain import order_rules, ticket_rules
from actors.domain.answers import PaymentAnswer
from actors.domain.instants import Instant
from actors.domain.purchase_commands import PurchaseCommand
from actors.domain.refusals import Refusal
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import (
    CancelOrder,
    CloseWaitingList,
    JoinWaitingList,
    ReadTicket,
    Release,
    Reserve,
    TicketCommand,
)
from actors.domain.ticket_values import Order
from actors.payments.purchase_runner import PurchaseRunner
from actors.storage.orders import Orders
from actors.tickets.entity import TicketEntity
from config.settings import Settings
from serve_app.accounts.revocations import Revocations
from serve_app.buying import orders
from serve_app.http.errors import NotFoundError
from serve_app.http.idempotency import Identity
from serve_app.routes import tickets
from serve_app.services import Services
from tests.models import search
from tests.models.api_model import MOST_HOLDS
from tests.models.served_market import ServedMarket, served_market
from tests.models.waiting_machine import WaitingMachine
from tests.support.local_market import LocalMarket

pytestmark = pytest.mark.slow
Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def market(mongodb_url: str, redis_url: str) -> Iterator[ServedMarket]:
    settings = Settings(
        holdfast_env="test",
        mongodb_url=mongodb_url.replace("/holdfast", f"/model{ObjectId()}"),
        redis_url=redis_url,
        jwt_key=SecretStr("a key that only tests know and trust"),
        max_holds_per_buyer=MOST_HOLDS,
        argon2_memory_kib=8_192,
        argon2_iterations=1,
        rate_limits=False,
    )
    with served_market(settings) as served:
        yield served


@pytest.fixture
def machine(market: ServedMarket) -> type[WaitingMachine]:
    return type("WaitingMachine", (WaitingMachine,), {"market": market})


def test_the_api_answers_as_its_model_says(machine: type[WaitingMachine]) -> None:
    search.run(machine, examples=12, steps=40)


def _instead(patch: Patch, kind: type[TicketCommand], broken: Callable[[Any], TicketCommand]) -> None:
    """Has the tickets asked something else than what the API meant."""
    real = LocalMarket.ask_ticket

    async def ask(market: LocalMarket, command: TicketCommand) -> TicketAnswer | Refusal:
        return await real(market, broken(command) if isinstance(command, kind) else command)

    patch.setattr(LocalMarket, "ask_ticket", ask)


def a_cancelled_order_keeps_its_ticket(patch: Patch) -> None:
    _instead(patch, CancelOrder, lambda command: ReadTicket(command.ticket_id))


def the_expected_price_does_not_matter(patch: Patch) -> None:
    _instead(patch, Reserve, lambda command: replace(command, expected_price=None))


def a_buyer_holds_any_number(patch: Patch) -> None:
    _instead(patch, Reserve, lambda command: replace(command, max_holds=None))


def a_declined_payment_keeps_the_order(patch: Patch) -> None:
    _instead(patch, Release, lambda command: ReadTicket(command.ticket_id))


def a_hold_does_not_end(patch: Patch) -> None:
    patch.setattr(TicketEntity, "expire_if_due", lambda _behaviour, _ticket, _now: ())


def an_order_is_anybodys(patch: Patch) -> None:
    async def any_order(services: Services, order_id: str, _buyer_id: str) -> Order:
        order = await services.queries.orders.by_id(order_id)
        if order is None:
            raise NotFoundError("There is no such order.")
        return order

    patch.setattr(orders, "own_order", any_order)


def a_key_is_not_remembered(patch: Patch) -> None:
    patch.setattr(tickets, "identify", lambda *_: Identity(str(ObjectId())))


def lists_show_what_is_held(patch: Patch) -> None:
    async def nobodys(_orders: Orders, _ticket_ids: Sequence[str], _now: Instant) -> dict[str, Order]:
        return {}

    patch.setattr(Orders, "live", nobodys)


def paying_again_is_paying_anew(patch: Patch) -> None:
    real = PurchaseRunner.handle

    async def handle(commands: PurchaseRunner, command: PurchaseCommand) -> PaymentAnswer | Refusal:
        answer = await real(commands, command)
        return replace(answer, fresh=True) if isinstance(answer, PaymentAnswer) else answer

    patch.setattr(PurchaseRunner, "handle", handle)


def a_session_outlives_its_end(patch: Patch) -> None:
    patch.setattr(Revocations, "__contains__", lambda _revocations, _session: False)


def a_limit_in_line_does_not_matter(patch: Patch) -> None:
    _instead(patch, JoinWaitingList, lambda command: replace(command, max_price=None))


def a_line_that_is_closed_goes_on(patch: Patch) -> None:
    _instead(patch, CloseWaitingList, lambda command: ReadTicket(command.ticket_id))


def what_is_released_is_offered_to_nobody(patch: Patch) -> None:
    patch.setattr(ticket_rules, "_with_offer", lambda _ticket, events, _now, _context: events)


def an_offer_is_accepted_again_and_again(patch: Patch) -> None:
    real = order_rules.accept
    patch.setattr(order_rules, "accept", lambda ticket, order, *rest: real(ticket, replace(order, offer=True), *rest))


@pytest.mark.parametrize(
    "sabotage",
    [
        a_cancelled_order_keeps_its_ticket,
        the_expected_price_does_not_matter,
        a_buyer_holds_any_number,
        a_declined_payment_keeps_the_order,
        a_hold_does_not_end,
        an_order_is_anybodys,
        a_key_is_not_remembered,
        lists_show_what_is_held,
        paying_again_is_paying_anew,
        a_session_outlives_its_end,
        a_limit_in_line_does_not_matter,
        a_line_that_is_closed_goes_on,
        what_is_released_is_offered_to_nobody,
        an_offer_is_accepted_again_and_again,
    ],
    ids=lambda sabotage: sabotage.__name__,
)
def test_search_finds_a_broken_rule_of_the_api(
    sabotage: Callable[[Patch], None], machine: type[WaitingMachine], monkeypatch: Patch
) -> None:
    sabotage(monkeypatch)
    search.finds(machine, examples=200, steps=15)
