"""The W3C trace context of a request (https://www.w3.org/TR/trace-context/), from its header to its events."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

# The `traceparent` of the request that is being handled, None where its client sent none.
current: ContextVar[str | None] = ContextVar("traceparent", default=None)


@dataclass(frozen=True, slots=True)
class Traced:
    """A message on its way between actors, with the `traceparent` of the request that it is part of."""

    message: Any
    traceparent: str


def with_trace(message: Any) -> Any:  # noqa: ANN401 - any message
    """Return the message as it travels: in a `Traced` where the request has a trace context."""
    traceparent = current.get()
    return message if traceparent is None else Traced(message, traceparent)


def message_of(message: Any) -> Any:  # noqa: ANN401 - any message
    """Return the message itself."""
    return message.message if isinstance(message, Traced) else message


def traceparent_of(message: Any) -> str | None:  # noqa: ANN401 - any message
    """Return the `traceparent` that the message came with."""
    return message.traceparent if isinstance(message, Traced) else None


async def handle_traced(message: Any, handle: Callable[[Any], Awaitable[T]]) -> T:  # noqa: ANN401 - any message
    """Handle the message itself, with its trace context as the current one; to be called in a task of its own."""
    current.set(traceparent_of(message))
    return await handle(message_of(message))
