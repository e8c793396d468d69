"""What is logged of a request in the actors: each line says for which request and which order it was written."""

from typing import Any

import pytest

from actors.domain.purchase_commands import Pay
from actors.payments.webhook_events import ReceivedWebhookEvent, WebhookEventHandler
from actors.runtime.spans import handle_traced
from actors.runtime.timers import Timers
from actors.runtime.trace import Traced, current, new_traceparent, request_of
from actors.storage.webhook_inbox import WebhookInbox
from actors.tickets.entity import TicketEntity
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket
from tests.support.log_lines import LogLines, log_lines
from tests.support.trading import a_hold, held, listed

ONE, OTHER = new_traceparent(), new_traceparent()


def told(lines: LogLines, order_id: str) -> list[tuple[str, str | None]]:
    """The steps of an order, in order, each with its request."""
    found = [line for line in lines.all() if line.get("order") == order_id]
    return [(line.get("type") or line.get("step") or line["event"], line.get("request")) for line in found]


async def test_each_line_of_a_turn_has_the_request_and_the_order_of_its_own_message(market: LocalMarket) -> None:
    holds = [a_hold(ticket_id) for ticket_id in await listed(market, 3)]
    with log_lines() as lines:
        await market.ask_host(market.tickets, [Traced(holds[0], ONE), holds[1], Traced(holds[2], OTHER)])
    committed = lines.all("event_committed")
    assert [(line["type"], line["order"], line["ticket"], line["status"]) for line in committed] == [
        ("OrderCreated", hold.order_id, hold.ticket_id, "created") for hold in holds
    ]
    assert [line.get("request") for line in committed] == [request_of(ONE), None, request_of(OTHER)]


async def test_end_of_a_hold_is_logged_with_its_order_and_as_nobodys_request(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    with log_lines() as lines:
        hold = a_hold(ticket_id, window=50)
        await market.ask_host(market.tickets, [Traced(hold, ONE)])
        await eventually(lambda: len(told(lines, hold.order_id)) > 1)
    assert told(lines, hold.order_id) == [("OrderCreated", request_of(ONE)), ("OrderExpired", None)]
    (expired,) = [line for line in lines.all() if line.get("type") == "OrderExpired"]
    assert (expired["status"], expired["reason"]) == ("cancelled", "expired")


async def test_end_of_a_hold_that_another_request_finds_is_not_part_of_that_request(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ticket_id,) = await listed(market)
    monkeypatch.setattr(Timers, "arm", lambda *_: None)
    with log_lines() as lines:
        hold, next_hold = a_hold(ticket_id, window=1), a_hold(ticket_id)
        await market.ask_host(market.tickets, [hold])
        over = market.connections.clock.now() + hold.window
        await eventually(lambda: market.connections.clock.now() > over)
        await market.ask_host(market.tickets, [Traced(next_hold, ONE)])
    assert told(lines, hold.order_id) == [("OrderCreated", None), ("OrderExpired", None)]
    assert told(lines, next_hold.order_id) == [("OrderCreated", request_of(ONE))]


async def test_message_whose_handling_raises_is_logged_with_its_request_and_order(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await listed(market, 2)
    broken, whole = a_hold(first), a_hold(second)
    rightly = TicketEntity.decide

    def decide(self: TicketEntity, state: Any, command: Any, now: int) -> Any:  # noqa: ANN401 - passed on
        if command is broken:
            raise RuntimeError("a bug")
        return rightly(self, state, command, now)

    monkeypatch.setattr(TicketEntity, "decide", decide)
    with log_lines() as lines:
        await market.ask_host(market.tickets, [Traced(broken, ONE), Traced(whole, OTHER)])
    (failed,) = lines.all("message_failed")
    assert (failed["request"], failed["order"], failed["exception"]) == (
        request_of(ONE), broken.order_id, "RuntimeError",
    )  # fmt: skip
    assert told(lines, whole.order_id) == [("OrderCreated", request_of(OTHER))]


async def test_every_step_of_a_payment_is_logged_with_its_request_and_order(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    with log_lines() as lines:
        await handle_traced(Traced(Pay(hold.order_id, "pm_card_visa"), ONE), market.purchases.handle)
    current.set(None)
    steps = told(lines, hold.order_id)
    assert [step for step, _ in steps] == [
        "OrderAwaitingPayment", "ChargeCreated", "create", "ChargeIntentCreated", "confirm", "ChargeAuthorised",
        "OrderCompleted", "capture", "ChargeCompleted", "purchase_step",
    ]  # fmt: skip
    assert {request for step, request in steps if not step.startswith("Order")} == {request_of(ONE)}
    calls = lines.all("stripe_called")
    assert all(call["stripe_request"].startswith("req_") and call["ms"] >= 0 for call in calls)


async def test_writer_that_died_has_its_events_logged_by_who_recovers_them(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    await market.writes_everything()
    hold = a_hold(ticket_id)
    await market.ask_host(market.tickets, [Traced(hold, ONE)])
    dead = market.tickets
    await dead.kill()
    market.tickets = market.start_tickets()
    await eventually(lambda: market.tickets.host.writer != dead.host.writer)
    with log_lines() as lines:
        await market.recovery().round(market.live, set())
    (line,) = [line for line in lines.all("event_committed") if line.get("order") == hold.order_id]
    assert (line["recovered"], line["request"]) == (True, request_of(ONE))


async def test_webhook_of_an_order_is_logged_with_the_order(market: LocalMarket) -> None:
    (ticket_id,) = await listed(market)
    hold = await held(market, ticket_id)
    inbox = WebhookInbox(market.connections.database)
    handler = WebhookEventHandler(inbox, market.connections.queries, market)
    event = ReceivedWebhookEvent(f"evt_{hold.order_id}", "payment_intent.succeeded", 1, None, hold.order_id)
    with log_lines() as lines:
        await handler.handle([event])
    (line,) = lines.all("webhook_handled")
    assert (line["stripe_event"], line["order"]) == (event.id, hold.order_id)
