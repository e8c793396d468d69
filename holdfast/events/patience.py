"""Retrying until a server answers, with one log line per outage."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

FIRST_DELAY_SECONDS = 0.05
LONGEST_DELAY_SECONDS = 2.0
# Who has caught up reads together what comes in so long: woken by each of 370 events a second, one took four times the
# processor time.
REST_SECONDS = 0.05

logger = logging.getLogger("holdfast.events")
T = TypeVar("T")


class GroupMissingError(Exception):
    """Redis does not have the consumer group: it was emptied, or the stream was begun anew."""


class Patience:
    """Retries what a server did not answer, for ever: a consumer outlives every outage."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._is_away = False
        self._running: set[asyncio.Future[Any]] = set()

    async def once(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what the call returns. It goes on when its caller is cancelled.

        A connection of redis-py that is cancelled while it is opened is never closed.
        """
        running = asyncio.ensure_future(call())
        self._running.add(running)
        running.add_done_callback(self._finished)
        return await asyncio.shield(running)

    def _finished(self, running: asyncio.Future[Any]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # it was raised where somebody still waited

    async def until_idle(self) -> None:
        """Return once no call is under way."""
        if self._running:
            await asyncio.wait([*self._running])

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what the call returns, once it does. It may run several times.

        Raises GroupMissingError, and redis.exceptions.AuthenticationError or NoPermissionError: those do not pass.
        """
        delay_seconds = FIRST_DELAY_SECONDS
        for failures in itertools.count(1):
            try:
                answer = await self.once(call)
            except (AuthenticationError, NoPermissionError):
                raise
            except (RedisError, OSError) as error:
                if is_group_missing(error):
                    raise GroupMissingError from error
                # Once each for connections that the server closed before.
                if failures > 1 and not self._is_away:
                    self._is_away = True
                    logger.warning(
                        "%s does not answer, waiting for it: %s: %s", self._server, type(error).__name__, error
                    )
            else:
                if self._is_away:
                    self._is_away = False
                    logger.warning("%s answers again", self._server)
                return answer
            await asyncio.sleep(delay_seconds)
            delay_seconds = min(2 * delay_seconds, LONGEST_DELAY_SECONDS)
        raise AssertionError("it is repeated for ever")


def is_group_missing(error: object) -> bool:
    """Return whether Redis says that a consumer group is missing; a script's error has that in the middle."""
    return isinstance(error, ResponseError) and "NOGROUP" in str(error)
