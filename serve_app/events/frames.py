"""What a listener is sent (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
import secrets
from collections.abc import AsyncGenerator

from fastapi.sse import format_sse_event
from redis.exceptions import RedisError

from holdfast.events import StreamPosition
from serve_app.events.feed import EventFeed, Listener, Told
from serve_app.events.views import View

COMMENT_SECONDS = 15.0
# Those whose replica ended do not come back in the same moment.
_SOONEST_RETRY_MS, _LATEST_RETRY_MS = 1_000, 3_000
GAP = '{"message":"Events may be missing: read anew what you show."}'


async def frames(feed: EventFeed, listener: Listener) -> AsyncGenerator[bytes]:
    """Yield what the listener is sent until its time is over, each event with the position to come back with."""
    try:
        retry_ms = _SOONEST_RETRY_MS + secrets.randbelow(_LATEST_RETRY_MS - _SOONEST_RETRY_MS)
        yield format_sse_event(retry=retry_ms, id=_id(listener.position))
        while not listener.is_over:
            if listener.has_gap:
                listener.has_gap = False
                yield format_sse_event(event="gap", data_str=GAP, id=_id(listener.position))
            elif listener.is_behind:
                async for page in feed.catch_up(listener):
                    # In one piece: each write of a server costs more than what is written.
                    yield b"".join(_event(told.id, view) for told, view in page)
            elif listener.waiting:
                waiting = [*listener.waiting]
                listener.waiting.clear()
                yield b"".join(
                    _event(_id_for(listener, told), view) for told, view in waiting if listener.advance(told)
                )
            elif await _has_nothing(listener):
                listener.position = feed.position and feed.position.joined(listener.position)
                # With an id, so that who hears nothing for long has little to catch up with.
                yield format_sse_event(comment="still here", id=_id(listener.position))
    except (RedisError, OSError):
        return  # the program comes back with the position that it has
    finally:
        feed.close(listener)


async def _has_nothing(listener: Listener) -> bool:
    """Wait for news; return whether none came."""
    listener.has_news.clear()
    try:
        async with asyncio.timeout(COMMENT_SECONDS):
            await listener.has_news.wait()
    except TimeoutError:
        return True
    return False


def _event(event_id: str, view: View) -> bytes:
    id_line = f"id: {event_id}\n".encode() if event_id else b""
    return id_line + view.frame


def _id(position: StreamPosition | None) -> str | None:
    return None if position is None else position.encode()


def _id_for(listener: Listener, told: Told) -> str:
    position = listener.position
    return told.id if position is None or position == told.position else position.encode()
