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
        return ServerStatus(state="away", detail=str(self), answerSeconds=None)


def up(detail: str) -> ServerStatus:
    """Return what the document says of something that answers, where nobody measures how fast."""
    return ServerStatus(state="up", detail=detail, answerSeconds=None)


def answered(began: float, kind: str = "") -> ServerStatus:
    """Return what the document says of something that was asked at `began` (monotonic clock) and answers now."""
    seconds = time.monotonic() - began
    words = f"answered in {seconds * 1_000:.0f} ms"
    return ServerStatus(state="up", detail=f"{kind}, {words}" if kind else words, answerSeconds=seconds)


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Raise AwayError when the block takes too long."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            yield
    except TimeoutError as error:
        raise AwayError(f"no answer within {ANSWER_SECONDS:g} s") from error
