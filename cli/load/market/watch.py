"""Samples the market beside the measurement, by what `holdfast top` reads as well."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from cli.load.market.samples import Samples
from cli.running_market import NotRunningError, ray_of
from cli.status.collector import Collector
from config.settings import Settings

EVERY_SECONDS = 2.0
ELSEWHERE = (
    "not known here: with --target it needs MONGODB_URL, on a node of the market's cluster; "
    "without, it is the market of DATA_DIR"
)
NO_ACTORS = "not known here: no actor of this market runs in the Ray that was found"


@contextmanager
def watched(settings: Settings, *, is_own_market: bool) -> Iterator[Samples]:
    """Give the samples, which are taken until the context ends. The first is there when it begins.

    So what takes long, to load Ray and to connect, is over before the load. Without `is_own_market` only MONGODB_URL
    says which market it is.
    """
    if not is_own_market and settings.mongodb_url is None:
        yield Samples(ELSEWHERE)
        return
    try:
        collector = Collector(settings, ray_of(settings))
    except NotRunningError as error:
        yield Samples(f"not known here: {error}")
        return
    samples, is_begun, is_over = Samples(), Event(), Event()
    with ThreadPoolExecutor(max_workers=1) as threads:
        watching = threads.submit(asyncio.run, _watch(collector, samples, is_begun, is_over))
        try:
            is_begun.wait()
            yield samples
        finally:
            is_over.set()
            watching.result()


async def _watch(collector: Collector, samples: Samples, is_begun: Event, is_over: Event) -> None:
    try:
        next_at = time.monotonic()
        while True:
            status = await collector.collect()
            # A market that cannot be asked at first is not asked under load: each try takes two seconds of a core.
            if not samples.taken and not status["actors"]:
                ray = status["servers"]["ray"]
                samples.why_none = NO_ACTORS if ray["state"] == "up" else f"not known here: ray: {ray['detail']}"
                return
            samples.add(status)
            is_begun.set()
            next_at = max(next_at + EVERY_SECONDS, time.monotonic())
            if await asyncio.to_thread(is_over.wait, next_at - time.monotonic()):
                return
    finally:
        is_begun.set()
        await collector.close()
