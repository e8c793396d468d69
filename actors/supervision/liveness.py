"""Watching over actors: Ray restarts a process that died, but none that hangs, and none that was ended for good."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable

import structlog

from actors.cluster.heartbeat import ActorDirectory, ActorMissingError, Heartbeat
from actors.runtime.ports import HostUnreachableError

EVERY_SECONDS = 1.0
# Measured: Ray itself does nothing about a stopped process within 50 s.
SILENT_SECONDS = 5.0
# On a machine that is busy starting took longer than 5 s, and as the actor was replaced again each time it never came
# to an end. So whoever was replaced and is not heard since gets twice the time, up to this.
LONGEST_SECONDS = 60.0
# Ray starts a process that died by itself: that takes a second, and was seen to take twenty on a machine with ten times
# more to do than it can. Killed meanwhile it would never be there.
STARTING_SECONDS = 60.0
# Ray's control service answers in milliseconds; while it is away nobody is to wait for it who watches over others. The
# first time the program of the actor is loaded as well.
CREATING_SECONDS = 5.0

logger = structlog.get_logger(__name__)


class LivenessMonitor:
    """Knows when each actor last gave a sign of life, has the silent ones replaced and the missing ones created."""

    def __init__(self, directory: ActorDirectory) -> None:
        self.heartbeats: dict[str, Heartbeat] = {}
        # Of those it watches over, who gave a sign of life in the last round; how many were replaced, by the reason.
        self.watched: set[str] = set()
        self.answering: set[str] = set()
        self.replaced: Counter[str] = Counter()
        self._directory = directory
        self._heard: dict[str, float] = {}
        self._gone: dict[str, float] = {}
        self._patience_seconds: dict[str, float] = {}

    async def check(self, watched: Iterable[str], wanted: Iterable[str] | None = None) -> None:
        """Listens to all of them once, for a second at most, and creates those that are `wanted` and missing.

        Without it all are wanted.
        """
        self.watched = watched = set(watched)
        self.answering &= watched
        created = watched if wanted is None else set(wanted)
        for known in (self.heartbeats, self._heard, self._gone, self._patience_seconds):
            for name in known.keys() - watched:
                del known[name]
        asked = sorted(watched)
        heard = await asyncio.gather(*(self._listen(name) for name in asked))
        await self._create([name for name, exists in zip(asked, heard, strict=True) if not exists and name in created])

    async def _listen(self, name: str) -> bool:
        """Whether an actor has this name, as far as is known."""
        now = asyncio.get_running_loop().time()
        heard, gone = self._heard.setdefault(name, now), self._gone.pop(name, now)
        try:
            self.heartbeats[name] = await asyncio.wait_for(self._directory.ping(name), EVERY_SECONDS)
        except ActorMissingError:
            self.answering.discard(name)
            self._heard[name] = now
            return False
        except HostUnreachableError:
            self.answering.discard(name)
            # Nobody is there who could be silent: whoever comes is listened to from then on.
            self._heard[name], self._gone[name] = now, gone
            if now - gone >= STARTING_SECONDS:
                await self._replace(name, "actor_missing", STARTING_SECONDS)
                self._gone[name] = now
        except TimeoutError:
            self.answering.discard(name)
            patience_seconds = self._patience_seconds.get(name, SILENT_SECONDS)
            if now - heard >= patience_seconds:
                await self._replace(name, "actor_silent", patience_seconds)
                self._heard[name] = now  # and time to start
                self._patience_seconds[name] = min(patience_seconds * 2, LONGEST_SECONDS)
        else:
            self._heard[name] = asyncio.get_running_loop().time()
            self.answering.add(name)
            self._patience_seconds.pop(name, None)
        return True

    async def _create(self, missing: Iterable[str]) -> None:
        """One after the other, so that each node gets as many of a kind; the next round goes on where one fails."""
        with contextlib.suppress(HostUnreachableError, TimeoutError):
            for name in missing:
                await asyncio.wait_for(self._directory.create(name), CREATING_SECONDS)
                logger.info("actor_created", actor=name)

    async def _replace(self, name: str, why: str, seconds: float) -> None:
        logger.error(why, actor=name, seconds=seconds)
        self.replaced[why] += 1
        with contextlib.suppress(HostUnreachableError):
            await self._directory.replace(name, self.heartbeats.get(name))


async def watch(directory: ActorDirectory, watched: list[str]) -> None:
    """Watches over these actors until cancelled, and creates those that are missing."""
    own = LivenessMonitor(directory)
    while True:
        await own.check(watched)
        await asyncio.sleep(EVERY_SECONDS)
