"""The Supervisor hands on everything that the registry has of a market that sold, refused, expired and refunded."""

from collections.abc import Mapping
from typing import cast

from actors.cluster.heartbeat import ActorDirectory, Heartbeat
from actors.domain.answers import PaymentAnswer
from actors.domain.purchase_commands import Pay
from actors.domain.refusals import AlreadyReserved
from actors.metrics import registry
from actors.metrics.emitter import Emitter
from actors.metrics.supervisor import SupervisorMetrics
from actors.stripe.call import calls
from actors.supervision.liveness import LivenessMonitor
from tests.metrics.recorded import Recorded
from tests.support.buying import DECLINED, an_order
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket
from tests.support.refunding import a_sale, refund_of
from tests.support.trading import a_hold, asked, expect, listed

# Replicas hand these on.
OF_REPLICAS = {registry.REQUESTS.name, registry.REQUEST_SECONDS.name}


class HostsOf:
    """The hosts of a local market, as actors that can be heard."""

    def __init__(self, market: LocalMarket) -> None:
        self._market = market
        self.refusals: Mapping[str, int] = {}

    async def ping(self, name: str) -> Heartbeat:
        host = (self._market.charges if name == "payments-0" else self._market.tickets).host
        return Heartbeat(
            name,
            host.writer,
            1,
            "node",
            host.counters,
            signals=host.signals(),
            refusals=dict(self.refusals),
            stripe_calls=dict(calls) if name == "payments-0" else {},
        )


async def test_supervisor_hands_on_every_metric_of_a_market_that_sold_refused_expired_and_refunded(
    market: LocalMarket,
) -> None:
    directory, sink = HostsOf(market), Recorded()
    monitor = LivenessMonitor(cast("ActorDirectory", directory))
    metrics = SupervisorMetrics(Emitter(sink), market.connections.watched_servers(), monitor, market.recovery())
    expect(PaymentAnswer, await market.refund(refund_of(await a_sale(market))))
    await market.pay(Pay((await an_order(market)).id, DECLINED))
    (ticket_id,) = await listed(market)
    await asked(market, market.tickets, a_hold(ticket_id, window=300))
    expect(AlreadyReserved, await asked(market, market.tickets, a_hold(ticket_id)))
    directory.refusals = {"AlreadyReserved": 1}
    await eventually(lambda: "OrderExpired" in market.tickets.host.signals().events)
    await monitor.check(["tickets-0", "payments-0"])
    await metrics.watch_servers()
    await metrics.emit()
    handed_on = {name for name, _ in sink.series}
    assert registry.METRICS.keys() - handed_on == OF_REPLICAS
    for event in ("OrderCompleted", "OrderExpired", "OrderCancelled"):
        assert sink.value(registry.EVENTS, kind="tickets", event=event) >= 1, event
    for event in ("ChargeFailed", "ChargeRefunded"):
        assert sink.value(registry.EVENTS, kind="payments", event=event) == 1, event
    assert sink.value(registry.STRIPE_CALLS, outcome="answered") >= 1
    assert len(sink.series) <= 140
