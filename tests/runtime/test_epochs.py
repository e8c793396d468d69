"""Redis may lose events in any way: the Supervisor notices, and publishes the retention window again."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder
from actors.events import redis_stream
from actors.events.epochs import EpochKeeper, market_of
from actors.runtime.ports import StoreUnavailableError
from actors.storage.event_stream import MongoStreamStates, StreamState
from cli.up.embedded_servers import Server, start_redis
from config.settings import Settings
from holdfast.events import Event
from holdfast.events.partitions import EPOCH_KEYS, STREAM_KEYS, partition_of
from tests.simulation.contracts.examples import recorded
from tests.support.event_streams import published_events
from tests.support.eventually import eventually
from tests.support.local_market import LocalMarket, local_market
from tests.support.trading import expect, held, listed


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[Server]:
    server = await asyncio.to_thread(start_redis, Settings(data_dir=tmp_path))
    yield server
    await asyncio.to_thread(server.stop)


@pytest.fixture
async def market(market_settings: Settings, own_redis: Server) -> AsyncIterator[LocalMarket]:
    async with local_market(market_settings.model_copy(update={"redis_url": own_redis.url})) as market:
        yield market


@pytest.fixture
async def keeper(market: LocalMarket) -> EpochKeeper:
    keeper = market.connections.epoch_keeper(market.settings)
    await keeper.round()
    return keeper


def redis_of(market: LocalMarket) -> Redis:
    return market.connections.redis


async def trade(market: LocalMarket, rounds: int = 2) -> str:
    """Lists a ticket, holds it and lets it go, and returns its entity once all of that is published."""
    (ticket_id,) = await listed(market)
    for _ in range(rounds):
        hold = await held(market, ticket_id)
        expect(TicketAnswer, await market.ask_ticket(CancelOrder(ticket_id, hold.order_id)))
    await reach(market, f"ticket:{ticket_id}", 1 + 2 * rounds)
    return f"ticket:{ticket_id}"


async def reach(market: LocalMarket, entity: str, versions: int) -> list[Event]:
    """Waits for so many versions of the entity, whose first occurrences have to be in order."""

    async def are_there() -> bool:
        return len({event.version for event in await published_events(redis_of(market), entity)}) >= versions

    await eventually(are_there)
    found = await published_events(redis_of(market), entity)
    assert list(dict.fromkeys(event.version for event in found)) == list(range(1, versions + 1))
    return found


async def epoch_of(market: LocalMarket) -> str:
    found: Any = await redis_of(market).mget(EPOCH_KEYS)
    (epoch,) = {epoch.decode() for epoch in found if epoch}
    return str(epoch)


async def restart(server: Server, market: LocalMarket) -> None:
    await asyncio.to_thread(server.restart)
    # Connections of before the restart are closed when they are used next.
    await redis_of(market).connection_pool.disconnect(inuse_connections=False)


async def test_quiet_round_keeps_the_epoch_and_publishes_nothing_again(
    market: LocalMarket, keeper: EpochKeeper
) -> None:
    entity, epoch = await trade(market), await epoch_of(market)
    for _ in range(3):
        await keeper.round()
    assert await epoch_of(market) == epoch
    assert len(await published_events(redis_of(market), entity)) == 5


async def test_emptied_redis_gets_the_whole_window_again_in_a_new_epoch(
    market: LocalMarket, keeper: EpochKeeper
) -> None:
    entities = [await trade(market) for _ in range(3)]
    epoch = await epoch_of(market)
    await redis_of(market).flushall()
    (ticket_id,) = await listed(market)  # published once there is an epoch again
    await keeper.round()
    assert await epoch_of(market) != epoch
    for entity in entities:
        found = await reach(market, entity, 5)
        assert {event.epoch for event in found} == {await epoch_of(market)}
    await reach(market, f"ticket:{ticket_id}", 1)


async def test_redis_that_was_killed_without_saving_gets_the_window_again(
    market: LocalMarket, keeper: EpochKeeper, own_redis: Server, tmp_path: Path
) -> None:
    await redis_of(market).config_set("appendonly", "no")
    await redis_of(market).config_set("save", "")
    entity = await trade(market)
    await keeper.round()
    own_redis.process.kill()
    own_redis.process.wait()
    for kept in (tmp_path / "redis").rglob("*"):
        if kept.suffix in {".rdb", ".aof", ".manifest"}:
            kept.unlink()
    await restart(own_redis, market)
    await keeper.round()
    await reach(market, entity, 5)


async def test_stream_that_was_set_back_in_time_gets_the_window_again(market: LocalMarket, keeper: EpochKeeper) -> None:
    before = await trade(market)
    (partition,) = {partition_of(before.removeprefix("ticket:"))}
    dump = await redis_of(market).dump(STREAM_KEYS[partition])
    assert dump is not None
    hold = await held(market, before.removeprefix("ticket:"))
    await reach(market, before, 6)
    await keeper.round()
    epoch = await epoch_of(market)
    await redis_of(market).restore(STREAM_KEYS[partition], 0, dump, replace=True)
    await keeper.round()
    assert await epoch_of(market) != epoch
    found = await reach(market, before, 6)
    assert hold.order_id.encode() in found[-1].data


async def test_publisher_whose_last_event_is_gone_has_a_new_epoch_begun(
    market: LocalMarket, keeper: EpochKeeper
) -> None:
    entity = await trade(market)
    stream = STREAM_KEYS[partition_of(entity.removeprefix("ticket:"))]
    # Others wrote since, so that the last id does not show it.
    newest: Any = await redis_of(market).xrevrange(stream, count=1)
    await redis_of(market).xdel(stream, newest[0][0])
    await redis_of(market).xadd(stream, newest[0][1])
    epoch = await epoch_of(market)
    await held(market, entity.removeprefix("ticket:"))

    async def is_refused() -> bool:
        return None in await redis_of(market).mget(EPOCH_KEYS)

    await eventually(is_refused)
    await keeper.round()
    assert await epoch_of(market) != epoch
    await reach(market, entity, 6)


async def test_without_that_check_the_event_stays_lost(
    market_settings: Settings, own_redis: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    unchecked = re.sub(r"if lacks\(.*?\) then", "if false then", redis_stream._APPEND)
    assert unchecked != redis_stream._APPEND
    monkeypatch.setattr(redis_stream, "_APPEND", unchecked)
    async with local_market(market_settings.model_copy(update={"redis_url": own_redis.url})) as market:
        entity = await trade(market)
        stream = STREAM_KEYS[partition_of(entity.removeprefix("ticket:"))]
        newest: Any = await redis_of(market).xrevrange(stream, count=1)
        await redis_of(market).xdel(stream, newest[0][0])
        await held(market, entity.removeprefix("ticket:"))

        async def is_published() -> bool:
            return 6 in {event.version for event in await published_events(redis_of(market), entity)}

        await eventually(is_published)
        await market.connections.epoch_keeper(market.settings).round()
        assert 5 not in {event.version for event in await published_events(redis_of(market), entity)}


async def test_nobody_appends_to_another_server_before_an_epoch_is_begun_there(
    market: LocalMarket, keeper: EpochKeeper, own_redis: Server
) -> None:
    entity, epoch = await trade(market), await epoch_of(market)
    await restart(own_redis, market)
    await held(market, entity.removeprefix("ticket:"))
    with pytest.raises(StoreUnavailableError):
        await market.connections.stream.publish([recorded(1)])
    assert len(await published_events(redis_of(market), entity)) == 5
    await keeper.round()
    assert await epoch_of(market) != epoch
    assert {event.epoch for event in await reach(market, entity, 6)} == {await epoch_of(market)}


async def test_nobody_appends_while_an_epoch_is_being_filled(market: LocalMarket, keeper: EpochKeeper) -> None:
    await trade(market)
    next_epoch = f"{market_of(await epoch_of(market))}-next"
    await redis_of(market).mset(dict.fromkeys(EPOCH_KEYS, redis_stream.being_filled(next_epoch)))
    (ticket_id,) = await listed(market)
    with pytest.raises(StoreUnavailableError):
        await market.connections.stream.publish([recorded(1)])
    assert await published_events(redis_of(market), f"ticket:{ticket_id}") == []
    await keeper.round()
    await reach(market, f"ticket:{ticket_id}", 1)


async def test_streams_of_another_market_are_left_alone(market: LocalMarket, keeper: EpochKeeper) -> None:
    entity = await trade(market)
    await redis_of(market).mset(dict.fromkeys(EPOCH_KEYS, "another-1"))
    with pytest.raises(StoreUnavailableError, match="REDIS_URL"):
        await keeper.round()
    assert len(await published_events(redis_of(market), entity)) == 5
    assert await epoch_of(market) == "another-1"


async def test_streams_of_a_first_epoch_that_failed_are_known_as_ours_when_redis_is_set_back_to_them(
    market: LocalMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_: MongoStreamStates, __: StreamState) -> None:
        raise StoreUnavailableError("away")

    await market.connections.database["event_stream"].delete_many({})
    await redis_of(market).flushall()
    keeper = market.connections.epoch_keeper(market.settings)
    with monkeypatch.context() as broken:
        broken.setattr(MongoStreamStates, "save", fails)
        with pytest.raises(StoreUnavailableError):
            await keeper.round()
    (of_that_try,) = set(await redis_of(market).mget(EPOCH_KEYS))
    assert of_that_try
    await keeper.round()
    await redis_of(market).mset(dict.fromkeys(EPOCH_KEYS, of_that_try))
    await keeper.round()
    await trade(market)


async def test_events_of_accounts_are_in_the_window(market: LocalMarket, keeper: EpochKeeper) -> None:
    database = market.connections.database
    now = market.connections.clock.now()
    await database["users"].insert_one({"_id": "7" * 24, "created_at": now, "updated_at": now, "version": 1})
    await database["journal"].insert_one(
        {
            "_id": "supervisor-1:000000000001",
            "at": market.connections.clock.now(),
            "keys": [f"user:{'7' * 24}:1"],
            "events": [
                {
                    "entity": f"user:{'7' * 24}",
                    "version": 1,
                    "at": market.connections.clock.now(),
                    "type": "UserCreated",
                    "data": {"user_id": "7" * 24},
                }
            ],
        }
    )
    await redis_of(market).flushall()
    await keeper.round()
    (event,) = await published_events(redis_of(market), f"user:{'7' * 24}")
    assert (event.subject, event.partition_key) == ("user.created", "7" * 24)


async def test_old_and_large_streams_are_trimmed(market: LocalMarket) -> None:
    redis = redis_of(market)
    old = await redis.time()
    for number in range(500):
        await redis.xadd(STREAM_KEYS[0], {"data": "x"}, id=f"{old[0] * 1000 - 90_000_000 + number}-0")
        await redis.xadd(STREAM_KEYS[1], {"data": "x" * 20_000})
    await market.connections.epoch_keeper(market.settings, max_bytes=16 * 2_000_000).round()
    await market.connections.epoch_keeper(market.settings, max_bytes=16 * 2_000_000).round()
    assert await redis.xlen(STREAM_KEYS[0]) < 200
    assert 0 < (await redis.memory_usage(STREAM_KEYS[1]) or 0) < 2_600_000
