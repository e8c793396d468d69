"""Which request something is done for: its W3C trace context (https://www.w3.org/TR/trace-context/).

It begins in the API replica, travels with every message, and is recorded with every event that the request causes. Its
trace id is the request's id in the logs, so that there is one identity and one way that it travels.
"""

import random
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

# The `traceparent` of the request that is being handled, None for what no request asked for.
current: ContextVar[str | None] = ContextVar("traceparent", default=None)


@dataclass(frozen=True, slots=True)
class Traced:
    """A message on its way between actors, with the `traceparent` of the request that it is part of."""

    message: Any
    traceparent: str


def new_traceparent(trace_id: str | None = None) -> str:
    """Return a trace context that begins here, of this trace id (32 hexadecimal digits) or a new one; not sampled."""
    # Nobody is let in because of it, so it need not be secret.
    digits = f"{random.getrandbits(192):048x}"
    return f"00-{trace_id or digits[:32]}-{digits[32:]}-00"


def request_of(traceparent: str) -> str:
    """Return the id of the request: the trace id."""
    return traceparent[3:35]


def requests_of(messages: Sequence[Any]) -> list[str]:
    """Return the ids of the requests that the messages are part of, each once."""
    found = (traceparent_of(message) for message in messages)
    return list(dict.fromkeys(request_of(traceparent) for traceparent in found if traceparent is not None))


def with_trace(message: Any) -> Any:  # noqa: ANN401 - any message
    """Return the message as it travels: in a `Traced` where a request asks for it."""
    traceparent = current.get()
    return message if traceparent is None else Traced(message, traceparent)


def message_of(message: Any) -> Any:  # noqa: ANN401 - any message
    """Return the message itself."""
    return message.message if isinstance(message, Traced) else message


def traceparent_of(message: Any) -> str | None:  # noqa: ANN401 - any message
    """Return the `traceparent` that the message came with."""
    return message.traceparent if isinstance(message, Traced) else None


def log_context_of(traceparent: str | None, message: Any) -> dict[str, str]:  # noqa: ANN401 - any message
    """Return what lines about the message say besides: the request that it is part of, and the order that it names."""
    request = {} if traceparent is None else {"request": request_of(traceparent)}
    order_id = getattr(message, "order_id", None)
    return request if order_id is None else {**request, "order": order_id}
