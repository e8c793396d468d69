"""What is done to a running market, as data: whom it meets, with which signal, and what people may notice."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import psutil

from benchmarks.support.running_market import RunningMarket
from tests.chaos.records import Verb

Find = Callable[[RunningMarket], Sequence[psutil.Process]]

# How long a victim may take to appear, as when the one before was just killed.
FINDING_SECONDS = 60.0
AWAY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that began at `at`. `returned_at` is when its end was brought about, where somebody did that."""

    at: float
    victims: Sequence[psutil.Process]
    returned_at: float | None = None


@dataclass(frozen=True, slots=True)
class Nemesis:
    """One kind of fault.

    `watched` is what the market is asked for to tell when it serves again, `may_break` says why connections may be
    refused or cut meanwhile, `limit` is within how many seconds after the strike everybody is to be served again, or
    where nobody is to notice anything (`unnoticed`) how long a gap between two successes may be.
    """

    name: str
    find: Find
    strike: Callable[[RunningMarket, Find], Awaitable[Strike]] = field(repr=False)
    limit: float
    watched: Verb = Verb.RESERVE
    may_break: str = ""
    times: int = 1
    replaced: bool = True
    unnoticed: bool = False


async def found(market: RunningMarket, find: Find) -> Sequence[psutil.Process]:
    """The victims, once there are some."""
    deadline = time.monotonic() + FINDING_SECONDS
    while not (victims := await asyncio.to_thread(find, market)):
        if time.monotonic() > deadline:
            raise TimeoutError("there is nobody to strike")
        await asyncio.sleep(0.1)
    return victims


async def _signalled(market: RunningMarket, find: Find, number: signal.Signals) -> Strike:
    victims = await found(market, find)
    at = time.monotonic()
    for victim in victims:
        victim.send_signal(number)
    return Strike(at, victims)


async def kill(market: RunningMarket, find: Find) -> Strike:
    """kill -9."""
    return await _signalled(market, find, signal.SIGKILL)


async def stop(market: RunningMarket, find: Find) -> Strike:
    """SIGSTOP, for good: somebody has to notice."""
    return await _signalled(market, find, signal.SIGSTOP)


async def stop_for(seconds: float, market: RunningMarket, find: Find) -> Strike:
    """SIGSTOP, and SIGCONT after these seconds."""
    struck = await _signalled(market, find, signal.SIGSTOP)
    await asyncio.sleep(struck.at + seconds - time.monotonic())
    for victim in struck.victims:
        victim.send_signal(signal.SIGCONT)
    return Strike(struck.at, struck.victims, returned_at=time.monotonic())


def actor(class_name: str) -> Find:
    return lambda market: market.actors(class_name)


def program(*names: str) -> Find:
    return lambda market: market.processes(*names)


TICKETS, ORDERS, PAYMENTS = actor("TicketActor"), actor("OrderActor"), actor("PaymentActor")
SUPERVISOR, API = actor("Supervisor"), actor("ServeReplica:holdfast:Api")
HAPROXY, REDIS, GCS, RAYLET = program("haproxy"), program("redis-server"), program("gcs_server"), program("raylet")
DATABASE = program("mongod", "secantusd-py")

IN_FRONT = "it carries the connections"
WHOLE_MARKET = "`holdfast up` starts Ray and all of the market anew"

NEMESES = {
    nemesis.name: nemesis
    for nemesis in (
        Nemesis("TicketActor killed", TICKETS, kill, limit=3, times=20),
        Nemesis("TicketActor stopped", TICKETS, stop, limit=15, times=3),
        Nemesis("OrderActor killed", ORDERS, kill, limit=15, watched=Verb.PAY, times=3),
        Nemesis("OrderActor stopped", ORDERS, stop, limit=30, watched=Verb.PAY),
        Nemesis("PaymentActor killed", PAYMENTS, kill, limit=15, watched=Verb.PAY, times=3),
        Nemesis("PaymentActor stopped", PAYMENTS, stop, limit=30, watched=Verb.PAY),
        Nemesis("Supervisor killed", SUPERVISOR, kill, limit=1, times=2, unnoticed=True),
        Nemesis("Supervisor stopped", SUPERVISOR, stop, limit=1, unnoticed=True),
        Nemesis("Api replica killed", API, kill, limit=15, may_break=IN_FRONT, times=3),
        Nemesis("Api replica stopped", API, stop, limit=60, may_break=IN_FRONT),
        Nemesis("HAProxy killed", HAPROXY, kill, limit=15, may_break=IN_FRONT, times=3),
        Nemesis("HAProxy stopped", HAPROXY, stop, limit=30, may_break=IN_FRONT),
        Nemesis("database away", DATABASE, partial(stop_for, AWAY_SECONDS), limit=AWAY_SECONDS + 2, replaced=False),
        Nemesis("database killed", DATABASE, kill, limit=15, times=3),
        Nemesis("Redis away", REDIS, partial(stop_for, 5), limit=1, replaced=False, unnoticed=True),
        Nemesis("Redis killed", REDIS, kill, limit=1, unnoticed=True),
        Nemesis("GCS killed", GCS, kill, limit=90, may_break=WHOLE_MARKET),
        Nemesis("GCS stopped", GCS, stop, limit=120, may_break=WHOLE_MARKET),
        Nemesis("raylet stopped", RAYLET, stop, limit=120, may_break=WHOLE_MARKET),
        Nemesis("raylet killed", RAYLET, kill, limit=90, may_break=WHOLE_MARKET),
    )
}
