"""Watching over actors: Ray restarts a process that died but does not notice one that hangs."""

import asyncio
import contextlib
from collections.abc import Iterable

import structlog

from actors.pulse import Fleet, Pulse
from actors.runtime.ports import HostUnreachableError

EVERY_SECONDS = 1.0
# Measured: Ray itself does nothing about a stopped process within 50 s.
SILENT_SECONDS = 5.0
# An actor that was replaced has to start. On a machine that is busy that took longer than 5 s, and as it was replaced
# again each time it never came to an end. So whoever was replaced and is not heard since gets twice the time.
LONGEST_SECONDS = 60.0

logger = structlog.get_logger(__name__)


class Watch:
    """Knows when each actor last gave a sign of life, and has the silent ones replaced."""

    def __init__(self, fleet: Fleet) -> None:
        self.pulses: dict[str, Pulse] = {}
        self._fleet = fleet
        self._heard: dict[str, float] = {}
        self._patience: dict[str, float] = {}

    async def look(self, watched: Iterable[str]) -> None:
        """Listens to all of them once, for a second at most."""
        watched = sorted(set(watched))
        for name in [known for known in self.pulses if known not in watched]:
            del self.pulses[name]
        await asyncio.gather(*(self._listen(name) for name in watched))

    async def _listen(self, name: str) -> None:
        now = asyncio.get_running_loop().time()
        heard = self._heard.setdefault(name, now)
        try:
            self.pulses[name] = await asyncio.wait_for(self._fleet.ping(name), EVERY_SECONDS)
        except (HostUnreachableError, TimeoutError) as error:
            patience = self._patience.get(name, SILENT_SECONDS)
            if now - heard >= patience:
                logger.error("actor_silent", actor=name, seconds=patience, error=type(error).__name__)
                with contextlib.suppress(HostUnreachableError):
                    await self._fleet.replace(name, self.pulses.get(name))
                self._heard[name] = now  # and time to start
                self._patience[name] = min(patience * 2, LONGEST_SECONDS)
        else:
            self._heard[name] = asyncio.get_running_loop().time()
            self._patience.pop(name, None)


async def watch(fleet: Fleet, watched: list[str]) -> None:
    """Watches over these actors until cancelled."""
    own = Watch(fleet)
    while True:
        await own.look(watched)
        await asyncio.sleep(EVERY_SECONDS)
