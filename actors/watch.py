"""Watching over actors: Ray restarts a process that died but does not notice one that hangs."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable
from typing import Any

import ray
import structlog
from ray.exceptions import RayError

from actors import names
from actors.host_actor import Pulse

EVERY_SECONDS = 1.0
# Measured: Ray itself does nothing about a stopped process within 50 s.
SILENT_SECONDS = 5.0

logger = structlog.get_logger(__name__)


class Watch:
    """Knows when each actor last gave a sign of life, and kills the silent ones so that Ray replaces them."""

    def __init__(self) -> None:
        self.pulses: dict[str, Pulse] = {}
        self._heard: dict[str, float] = {}

    async def look(self, watched: Iterable[str]) -> None:
        """Listens to all of them once, for a second at most."""
        watched = set(watched)
        for name in set(self.pulses) - watched:
            del self.pulses[name]
        await asyncio.gather(*(self._listen(name) for name in watched))

    async def _listen(self, name: str) -> None:
        now = asyncio.get_running_loop().time()
        heard = self._heard.setdefault(name, now)
        try:
            handle: Any = await asyncio.to_thread(ray.get_actor, name, names.NAMESPACE)
            self.pulses[name] = await asyncio.wait_for(handle.ping.remote(), EVERY_SECONDS)
        except (RayError, ValueError, TimeoutError) as error:
            if now - heard >= SILENT_SECONDS:
                self._replace(name, error)
                self._heard[name] = now  # and time to start
        else:
            self._heard[name] = asyncio.get_running_loop().time()

    def _replace(self, name: str, error: Exception) -> None:
        logger.error("actor_silent", actor=name, seconds=SILENT_SECONDS, error=type(error).__name__)
        pulse = self.pulses.get(name)
        # A stopped process does not hear Ray either; on our own node the kernel ends it at once.
        if pulse is not None and pulse.node_id == ray.get_runtime_context().get_node_id():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pulse.pid, signal.SIGKILL)
        with contextlib.suppress(RayError, ValueError):
            ray.kill(ray.get_actor(name, names.NAMESPACE), no_restart=False)


async def watch(watched: list[str]) -> None:
    """Watches over these actors until cancelled."""
    own = Watch()
    while True:
        await own.look(watched)
        await asyncio.sleep(EVERY_SECONDS)
