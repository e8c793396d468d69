"""Negative controls of the event stream and of those who read it; see sabotage.py."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from actors.events.epochs import EpochKeeper
from actors.events.journal_history import JournalHistory
from actors.events.redis_stream import RedisEventStream
from actors.runtime.ports import Instant
from holdfast.events import Event
from holdfast.events.intake import Intake
from holdfast.events.partition import Partition
from tests.simulation.market import SimulatedMarket


@contextmanager
def without_the_epoch(market: SimulatedMarket) -> Iterator[None]:
    """Events are appended whatever the epoch is."""
    market.redis_data.epochs_are_compared = False
    yield


@contextmanager
def without_the_last_id(market: SimulatedMarket) -> Iterator[None]:
    """Events are appended whether what their publisher wrote before is there or not."""
    market.redis_data.last_ids_are_compared = False
    yield


@contextmanager
def without_the_server(market: SimulatedMarket) -> Iterator[None]:
    """Events are appended to a server of which nobody knows yet what it lacks."""
    market.redis_data.servers_are_compared = False
    yield


@contextmanager
def without_leases(market: SimulatedMarket) -> Iterator[None]:
    """A member reads and acknowledges what another member has by now."""
    market.redis_data.leases_are_compared = False
    yield


def without_the_window(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """What Redis lost is not published again."""

    async def nothing(_keeper: EpochKeeper, _since: Instant, _stream: RedisEventStream) -> int:
        return 0

    return patch.object(EpochKeeper, "_publish_since", nothing)


def without_gaps_from_the_journal(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """A version that a stream lacks is passed over."""

    async def nothing(_history: JournalHistory, _entity: str, _after: int, _before: int) -> Sequence[Event]:
        return ()

    return patch.object(JournalHistory, "versions", nothing)


def without_trimmed_events(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """What was removed from a stream is not read from the journal."""

    async def nothing(_intake: Intake, _partition: Partition, _start: int) -> None:
        return

    return patch.object(Intake, "_read_since", nothing)
