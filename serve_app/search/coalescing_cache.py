"""Answers that many ask for again and again: asked once for all who want the same, and not all the time.

A few questions are asked at a time, so that many different ones do not take the database from those who buy, and
clients take turns, so that those of one do not keep others waiting.

After an answer there is a rest of four times as long as it took, so that questions take a fifth of the database's time
however many ask them, and what is quick to answer is hardly ever old. For one second after its rest an answer is still
given while the next one is looked for, so that nobody waits for a page that many ask for (RFC 5861,
stale-while-revalidate).
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from actors.runtime.bounded_dict import BoundedDict
from serve_app.search.fair_queue import FairQueue, NoRoomError

_RESTS = 4
LONGEST_REST_SECONDS = 1.0
STALE_SECONDS = 1.0
_REMEMBERED = 1_024
_AT_A_TIME = 4
# Somebody who asks for much leaves a place for the others: they wait for nobody's slow question.
_OF_ONE_CLIENT = 3
# Half a second's work for the database.
_MOST_WAITING = 100

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Asked:
    number: int
    task: asyncio.Task[Any]
    good_until: float = 0.0
    # What is given while this one is looked for, if it is not too old.
    before: "_Asked | None" = None

    def is_good(self, grace_seconds: float = 0.0) -> bool:
        """Whether there is an answer, no failure, whose rest is not over for longer than this."""
        done = self.task.done() and not self.task.cancelled() and self.task.exception() is None
        return done and _now() < self.good_until + grace_seconds


class CoalescingCache:
    """The last thousand answers, each while it rests. What is asked with one key is always of one type."""

    def __init__(self) -> None:
        self._asked: BoundedDict[Hashable, _Asked] = BoundedDict(_REMEMBERED)
        self._count = 0
        self._queue = FairQueue(_AT_A_TIME, _OF_ONE_CLIENT, _MOST_WAITING)

    async def get(
        self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, Answer]], *, refresh: bool, client: Hashable | None
    ) -> Answer:
        """Return what `ask` returns, or a recent answer to it; with `refresh` only one that was begun after this call.

        What `ask` raises, all are told who wait for it, and who ask while it rests. The client is who waits in the
        queue; what is asked for None waits in none, so that must be few questions. Raises NoRoomError when too many of
        this client's questions wait.
        """
        if not refresh and (stale := self._stale(key, ask, client)) is not None:
            return cast("Answer", stale.task.result())
        so_far = self._count
        while (known := self._asked.get(key)) is not None:
            running = not known.task.done()
            if known.number > so_far or (not refresh and (running or _now() < known.good_until)):
                # Shielded: a client that goes away does not take the answer with it.
                try:
                    return cast("Answer", await asyncio.shield(known.task))
                except NoRoomError:  # which is for the first that asked
                    self._forget(key, known)
            elif running:
                await asyncio.wait([known.task])
            else:
                break
        return cast("Answer", await asyncio.shield(self._ask(key, ask, client).task))

    def _stale(
        self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, Any]], client: Hashable | None
    ) -> _Asked | None:
        """Return the answer whose rest is over but a moment ago, and see to it that the next one is looked for."""
        known = self._asked.get(key)
        if known is None:
            return None
        if not known.task.done():
            before = known.before
            return before if before is not None and before.is_good(STALE_SECONDS) else None
        if known.is_good(STALE_SECONDS) and not known.is_good():
            self._ask(key, ask, client).before = known
            return known
        return None

    def _ask(self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, Answer]], client: Hashable | None) -> _Asked:
        self._count += 1
        begun = _now()
        asked = _Asked(self._count, asyncio.create_task(ask() if client is None else self._queue.run(client, ask)))
        self._asked[key] = asked

        def rest(task: asyncio.Task[Answer]) -> None:
            if not task.cancelled() and isinstance(task.exception(), NoRoomError):
                self._forget(key, asked)
                return
            asked.before = None
            took_seconds = _now() - begun
            # What was too much to ask is not asked again at once.
            failed = task.cancelled() or task.exception() is not None
            asked.good_until = _now() + (
                _RESTS * took_seconds if failed else min(_RESTS * took_seconds, LONGEST_REST_SECONDS)
            )

        asked.task.add_done_callback(rest)
        return asked

    def _forget(self, key: Hashable, asked: _Asked) -> None:
        if self._asked.get(key) is asked:
            del self._asked[key]


def _now() -> float:
    return asyncio.get_running_loop().time()
