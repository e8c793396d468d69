"""One nemesis after the other, with the probe asking all the time, and what came of each."""

import asyncio
import json
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import psutil

from benchmarks.support.running_market import HOLDFAST, RunningMarket
from tests.chaos.judgement import broken_promise, is_trouble, wrong_answers
from tests.chaos.nemeses import Nemesis, Strike, found
from tests.chaos.outcome import Hit, Outcome
from tests.chaos.outcome import hit as hit_of
from tests.chaos.probe import Probe
from tests.chaos.records import Purchase, Reservation, Verb

# Who was served for this long is served again; shorter, and the next failure would still belong to the same fault.
STEADY_SECONDS = 2.0
LOOK_SECONDS = 0.1
SETTLING_SECONDS = 150.0
READERS = 16

Item = TypeVar("Item")


async def struck(market: RunningMarket, probe: Probe, nemesis: Nemesis, patience: float = 60.0) -> Hit:
    """Strike once, and wait until everybody is served again. Raises TimeoutError after `limit` and `patience`."""
    await _steady(probe, nemesis.watched, time.monotonic(), patience)
    strike = await nemesis.strike(market, nemesis.find)
    deadline = strike.at + nemesis.limit + patience
    replaced = await _replaced(market, nemesis, strike, deadline)
    await _steady(probe, nemesis.watched, strike.returned_at or strike.at, deadline - time.monotonic())
    hit = hit_of(probe.answers, nemesis.watched, strike.at, time.monotonic(), replaced_after=replaced)
    if strike.returned_at is not None:
        hit.served_after_return = max(0.0, strike.at + hit.served_after - strike.returned_at)
    return hit


async def run(
    market: RunningMarket,
    probe: Probe,
    nemesis: Nemesis,
    times: int | None = None,
    on_hit: Callable[[Hit], None] = lambda _hit: None,
) -> Outcome:
    """Strike `times`, and see afterwards whether all is as it was acknowledged. The probe pauses for that."""
    outcome = Outcome(nemesis.name, nemesis.limit, nemesis.unnoticed)
    first = len(probe.answers)
    for _ in range(times or nemesis.times):
        outcome.hits.append(await struck(market, probe, nemesis))
        on_hit(outcome.hits[-1])
    await probe.pause()
    outcome.count(probe.answers[first:])
    outcome.wrong = wrong_answers(probe.answers[first:], may_break=bool(nemesis.may_break))
    await audit(market, probe, outcome)
    return outcome


async def audit(market: RunningMarket, probe: Probe, outcome: Outcome) -> None:
    """Read what was acknowledged, let go of it, and have the books checked once nothing is in progress."""
    purchases, unknown = probe.purchases, probe.unknown
    probe.purchases, probe.unknown = [], []
    outcome.acknowledged = len(purchases)
    await _each(purchases, lambda purchase: _read(probe, purchase, outcome))
    await _each(unknown, lambda reservation: _find_out(probe, reservation, outcome))
    report = await asyncio.to_thread(settled, market)
    outcome.violations, outcome.in_progress = report["violations"], report["inProgress"]


async def _each(items: Iterable[Item], work: Callable[[Item], Awaitable[None]]) -> None:
    """Work on them all, some at a time."""
    waiting = iter(items)

    async def reader() -> None:
        for item in waiting:
            await work(item)

    await asyncio.gather(*(reader() for _ in range(READERS)))


async def _read(probe: Probe, purchase: Purchase, outcome: Outcome) -> None:
    order = await probe.read(f"/api/orders/{purchase.order_id}", purchase.reservation.cookie)
    ticket = await probe.read(f"/api/tickets/{purchase.reservation.ticket_id}", purchase.reservation.cookie)
    if (broken := broken_promise(purchase, order, ticket)) is not None:
        outcome.lost.append(broken)
    if order is not None and order["status"] == "created":
        await probe.let_go(purchase)


async def _find_out(probe: Probe, reservation: Reservation, outcome: Outcome) -> None:
    await _read(probe, await probe.ask_again(reservation), outcome)


def settled(market: RunningMarket) -> dict[str, Any]:
    """What `holdfast verify` finds once nothing is in progress, or after two and a half minutes."""
    deadline = time.monotonic() + SETTLING_SECONDS
    while (report := verified(market))["inProgress"] and time.monotonic() < deadline:
        time.sleep(2)
    return report


def verified(market: RunningMarket) -> dict[str, Any]:
    """What `holdfast verify` finds now."""
    answer = subprocess.run(
        [HOLDFAST, "verify", "--json"], env=market.environment, check=False, capture_output=True, text=True
    )
    assert answer.stdout, answer.stderr
    return dict(json.loads(answer.stdout))


async def _steady(probe: Probe, verb: Verb, since: float, patience: float) -> None:
    """Return once everybody was served for STEADY_SECONDS, at the earliest that long after `since`."""
    deadline = time.monotonic() + patience
    while True:
        now = time.monotonic()
        recent = [each for each in probe.answers[-2_000:] if each.verb is verb and each.heard > now - STEADY_SECONDS]
        is_served = recent and not any(map(is_trouble, recent)) and not probe.holds_up(verb)
        if is_served and now - since >= STEADY_SECONDS:
            return
        if now > deadline:
            raise TimeoutError(f"{verb} is not served: {recent[:3]}")
        await asyncio.sleep(LOOK_SECONDS)


async def _replaced(market: RunningMarket, nemesis: Nemesis, strike: Strike, deadline: float) -> float | None:
    """The seconds until the victims were gone and others stood in."""
    if not nemesis.replaced:
        return None
    while True:
        others = set(await found(market, nemesis.find)) - set(strike.victims)
        if others and not any(_runs(victim) for victim in strike.victims):
            return time.monotonic() - strike.at
        if time.monotonic() > deadline:
            raise TimeoutError(f"{nemesis.name}: nobody stood in")
        await asyncio.sleep(LOOK_SECONDS)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
