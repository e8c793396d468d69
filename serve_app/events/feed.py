"""Which programs listen to events, and what each of them has not been sent yet.

Each event is looked at and rendered once, however many hear of it. Who reads slowly, or comes back, reads from Redis
what the replica's reader had before, a page at a time; so no queue grows without end.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import cached_property

from redis.asyncio import Redis

from holdfast.events import Message, PositionLostError, StreamPosition, Subjects, read_between
from serve_app.accounts.tokens import Session
from serve_app.events.views import View, views_of
from serve_app.http.errors import ServiceUnavailableError
from serve_app.security.open_streams import OpenStreams

_SHORTEST_LIFE_SECONDS, _LONGEST_LIFE_SECONDS = 40.0, 70.0
# Who reads slowly is sent what was rendered in this time, and then cut off.
_CLOSING_SECONDS = 30.0
# Beyond that a listener reads from Redis what it missed.
MOST_WAITING = 500
# What one stream may have read from Redis: 0.3 s of a replica's time. Beyond that there is a gap.
MOST_CAUGHT_UP = 10_000
_CATCHING_UP_AT_A_TIME = 2


@dataclass(eq=False)
class Told:
    """One event, its views, and the position behind it."""

    views: tuple[View, ...]
    partition: int
    position: StreamPosition | None

    @cached_property
    def id(self) -> str:
        """The position as text, made once for all who hear of the event."""
        return "" if self.position is None else self.position.encode()

    def view_for(self, user_id: str, subjects: Subjects) -> View | None:
        """Return what this user hears of it. Of an order's people none hears of it a second time as everybody does."""
        return next((view for view in self.views if view.is_for(user_id) and subjects.matches(view.subject)), None)


@dataclass(slots=True, eq=False)
class Listener:
    """An open stream. `position` is behind what it was sent, None while that is not known.

    `has_gap`: it is to be told that it missed something; `is_behind`: there is more to read from Redis for it.
    """

    session: Session
    address: str
    subjects: Subjects
    position: StreamPosition | None
    has_gap: bool = False
    is_behind: bool = False
    is_over: bool = False
    waiting: deque[tuple[Told, View]] = field(default_factory=deque)
    has_news: asyncio.Event = field(default_factory=asyncio.Event)
    caught_up: int = 0

    def tell(self, told: Told) -> None:
        """Have it sent what its user may see of the event."""
        if self.is_behind or (view := told.view_for(self.session.user_id, self.subjects)) is None:
            return
        if len(self.waiting) >= MOST_WAITING:
            self.waiting.clear()
            self.is_behind = True
        else:
            self.waiting.append((told, view))
        self.has_news.set()

    def tell_of_gap(self, position: StreamPosition | None) -> None:
        """Have it go on from this position."""
        self.waiting.clear()
        self.has_gap, self.is_behind, self.position = True, False, position
        self.has_news.set()

    def goes_on(self) -> bool:
        """Return whether it is still to be sent what lies behind its position."""
        return not (self.has_gap or self.is_over)

    def end(self) -> None:
        """Let the stream end, and its program open another one or find that it may not any more."""
        self.is_over = True
        self.has_news.set()

    def advance(self, told: Told) -> bool:
        """Note that it was sent the event. False when it had it before, from a replica that was ahead of this one."""
        if told.position is None:
            return True
        known = self.position
        if (
            known is not None
            and known.epoch == told.position.epoch
            and known.entries[told.partition] >= told.position.entries[told.partition]
        ):
            return False
        self.position = told.position.joined(known)
        return True


class EventFeed:
    """The listeners of one replica. Satisfies `serve_app.events.reader.Hearer`."""

    def __init__(self, redis: Redis, streams: OpenStreams, *, is_ended: Callable[[Session], bool]) -> None:
        self._redis = redis
        self._streams = streams
        self._is_ended = is_ended
        self._listeners: dict[Listener, float] = {}
        self._turns = asyncio.Semaphore(_CATCHING_UP_AT_A_TIME)
        self._is_reading = False
        self.position: StreamPosition | None = None

    def open(
        self,
        session: Session,
        address: str,
        subjects: Subjects,
        *,
        after: StreamPosition | None,
        lifetime_seconds: float | None = None,
    ) -> Listener:
        """Return a stream that goes on after a position, or begins now.

        It lives for a minute, and at most for `lifetime_seconds`. Raises ServiceUnavailableError when too many are
        open, and before the replica reads events.
        """
        if not self._is_reading:
            raise ServiceUnavailableError
        self._streams.take(session.user_id, address)
        listener = Listener(session, address, subjects, self.position)
        if after is not None and (self.position is None or after.epoch != self.position.epoch):
            listener.has_gap = True
        elif after is not None:
            listener.position, listener.is_behind = after, True
        seconds = secrets.SystemRandom().uniform(_SHORTEST_LIFE_SECONDS, _LONGEST_LIFE_SECONDS)
        if lifetime_seconds is not None:
            seconds = min(seconds, lifetime_seconds)
        self._listeners[listener] = asyncio.get_running_loop().time() + seconds
        return listener

    def close(self, listener: Listener) -> None:
        """Forget the stream."""
        if self._listeners.pop(listener, None) is not None:
            self._streams.give_back(listener.session.user_id, listener.address)

    def end_all(self) -> None:
        """End all streams, and open no more."""
        self._streams.close()
        for listener in self._listeners:
            listener.end()

    def on_message(self, message: Message) -> None:
        """Tell the listeners of an event that the replica's reader found."""
        if message.partition is None or message.entry_id is None:
            return
        if self.position is not None:
            self.position = self.position.after(message.partition, message.entry_id)
        if self._listeners:
            told = Told(views_of(message.event), message.partition, self.position)
            for listener in self._listeners:
                listener.tell(told)

    def on_start(self, position: StreamPosition | None) -> None:
        """Note where the replica's reader begins."""
        self._is_reading = True
        self.position = position

    def on_gap(self, position: StreamPosition | None) -> None:
        """Tell all listeners that anything may have happened, and that the reader goes on from this position."""
        self.position = position
        for listener in self._listeners:
            listener.tell_of_gap(position)

    async def catch_up(self, listener: Listener) -> AsyncIterator[list[tuple[Told, View]]]:
        """Yield in pages what lies between the listener and the replica's reader; what comes meanwhile waits.

        Tells of a gap instead when that was lost, or is too much. Raises RedisError.
        """
        listener.waiting.clear()
        listener.is_behind = False
        begin, end = listener.position, self.position
        if begin is None or end is None:
            listener.tell_of_gap(end)
            return
        try:
            async with aclosing(read_between(self._redis, begin, end)) as pages:
                position = begin
                while listener.goes_on():
                    listener.position = position
                    # In turns, so that those who missed much keep nobody from hearing what happens now.
                    async with self._turns:
                        messages = await anext(pages, None)
                    if not listener.goes_on():
                        return
                    if messages is None:
                        listener.position = end.joined(position)
                        return
                    listener.caught_up += len(messages)
                    if listener.caught_up > MOST_CAUGHT_UP:
                        listener.tell_of_gap(self.position)
                        return
                    told, position = _told_from(position, messages)
                    yield _views_for(listener, told)
        except PositionLostError:
            listener.tell_of_gap(self.position)

    async def run(self) -> None:
        """End streams whose time or session is over, until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            self.end_overdue(asyncio.get_running_loop().time())

    def end_overdue(self, now: float) -> None:
        """End streams whose session or time, in seconds of the loop's clock, is over."""
        for listener, ends in list(self._listeners.items()):
            if now >= ends + _CLOSING_SECONDS:
                # Its client left before the first byte, so that its stream never began and does not end by itself.
                self.close(listener)
            elif now >= ends or self._is_ended(listener.session):
                listener.end()


def _told_from(position: StreamPosition, messages: list[Message]) -> tuple[list[Told], StreamPosition]:
    told: list[Told] = []
    for message in messages:
        if message.partition is not None and message.entry_id is not None:
            position = position.after(message.partition, message.entry_id)
            told.append(Told(views_of(message.event), message.partition, position))
    return told, position


def _views_for(listener: Listener, told: list[Told]) -> list[tuple[Told, View]]:
    views = ((one, one.view_for(listener.session.user_id, listener.subjects)) for one in told)
    return [(one, view) for one, view in views if view is not None]
