"""The trace context of a request is on the events that it causes, and on no others."""

from actors.runtime.trace import Traced
from actors.storage.journal import MongoJournal
from holdfast.events import Event, Message, connect
from tests.support.local_market import LocalMarket
from tests.support.trading import a_hold, listed

ONE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_each_event_of_a_turn_has_the_trace_context_of_its_own_request(market: LocalMarket) -> None:
    first, second, third = await listed(market, 3)
    asked = [Traced(a_hold(first), ONE), a_hold(second), Traced(a_hold(third), OTHER)]
    await market.ask_host(market.tickets, asked)
    expected = {first: ONE, second: None, third: OTHER}
    found: dict[str, Event] = {}
    async with (
        connect(redis=market.connections.redis, client_id="traces") as client,
        client.subscribe("order.created", deliver="all") as subscription,
    ):
        while not found.keys() >= expected.keys():
            message = await anext(subscription)
            if isinstance(message, Message):
                found[message.event.partition_key] = message.event
    assert {ticket_id: found[ticket_id].traceparent for ticket_id in expected} == expected
    journal = MongoJournal(market.connections.database)
    records = {ticket_id: await journal.history(f"ticket:{ticket_id}") for ticket_id in expected}
    assert {ticket_id: records[ticket_id][-1].traceparent for ticket_id in expected} == expected
    assert all(own[0].traceparent is None for own in records.values())
