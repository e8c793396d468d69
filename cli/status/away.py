"""What something that the market needs is: up, or away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cli.status.document import ServerStatus

ANSWER_SECONDS = 1.5


class AwayError(Exception):
    """It does not answer; the message is one line that says what is known, and holds no password."""

    @property
    def status(self) -> ServerStatus:
        """What the document says of it."""
        return ServerStatus(state="away", detail=str(self))


def up(detail: str) -> ServerStatus:
    """Return what the document says of something that answers."""
    return ServerStatus(state="up", detail=detail)


def answered_since(began: float) -> str:
    """Return how long ago it was asked, in words; `began` is of the monotonic clock."""
    return f"answered in {(time.monotonic() - began) * 1_000:.0f} ms"


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Raise AwayError when the block takes too long."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            yield
    except TimeoutError as error:
        raise AwayError(f"no answer within {ANSWER_SECONDS:g} s") from error
