"""Metrics of the servers: what answers, whose money waits, and which consumers are behind."""

from actors.domain.charge_commands import Authorise
from actors.mail import receipts
from actors.metrics import registry
from actors.metrics.emitter import Emitter
from actors.metrics.servers import ServerState
from actors.processes import webhooks
from actors.processes.servers import ProductionResources
from actors.storage.schema import SCHEMA
from config.ports import free_port
from config.settings import Settings
from holdfast.events import GroupStatus
from tests.metrics.recorded import Recorded
from tests.support.buying import an_order, pay_until_it_dies
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket


def seen(state: ServerState) -> Recorded:
    sink = Recorded()
    Emitter(sink).emit(state.samples())
    return sink


async def test_a_market_whose_servers_answer_is_up_and_has_nothing_to_do(market: LocalMarket) -> None:
    sink = seen(await market.connections.watched_servers().state())
    assert sink.value(registry.DATABASE_UP) == sink.value(registry.REDIS_UP) == 1
    assert sink.value(registry.OLDEST_UNSETTLED) == sink.value(registry.STUCK_PURCHASES) == 0
    assert sink.value(registry.BUILD_INFO, version=registry.VERSION, schema=str(SCHEMA)) == 1


async def test_a_purchase_that_stands_still_shows_how_long_it_does(market: LocalMarket) -> None:
    order = await an_order(market)
    await pay_until_it_dies(market, order, Authorise, before=False)
    await market.writes_everything()
    servers = market.connections.watched_servers()
    first = seen(await servers.state()).value(registry.OLDEST_UNSETTLED)

    async def is_older() -> bool:
        return seen(await servers.state()).value(registry.OLDEST_UNSETTLED) > first

    await eventually(is_older)
    later = market.connections.clock.now() + 301_000
    servers._now = lambda: later
    assert seen(await servers.state()).value(registry.STUCK_PURCHASES) == 1


async def test_servers_that_do_not_answer_are_down(market_settings: Settings) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    away = {"mongodb_url": f"mongodb://{nowhere}/x", "redis_url": f"redis://{nowhere}/0"}
    resources = ProductionResources(market_settings.model_copy(update=away))
    sink = seen(await resources.watched_servers().state())
    await resources.close()
    assert ("database_up", ()) in sink.gauges
    assert sink.value(registry.DATABASE_UP) == sink.value(registry.REDIS_UP) == 0
    assert ("stuck_purchases", ()) not in sink.gauges, "what is not known is not told"


def test_consumers_of_others_are_one_whatever_they_are_called() -> None:
    statuses = [
        GroupStatus("webhooks", (), 1, 2.0, 3),
        GroupStatus("of-customer-5f0000000000000000000001", (), 4, 5.0, 6),
        GroupStatus("another", (), 1, 9.0, 1),
    ]
    sink = seen(ServerState(groups=statuses))
    assert sink.value(registry.DEAD_LETTERS, group="webhooks") == 3
    assert sink.value(registry.CONSUMER_LAG, group="other") == 9
    assert sink.value(registry.CONSUMER_PENDING, group="other") == 5
    assert sink.value(registry.CONSUMER_LAG, group="receipts") == 0


def test_our_own_consumers_are_the_groups_that_metrics_name() -> None:
    assert {receipts.DURABLE, webhooks.DURABLE, registry.OTHER} == set(registry.GROUPS)


def test_tries_to_deliver_webhooks_are_counted() -> None:
    sink = seen(ServerState(webhook_tries={"delivered": 3, "failed": 1}))
    assert sink.value(registry.WEBHOOK_DELIVERIES, outcome="failed") == 1
