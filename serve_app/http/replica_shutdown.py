"""When Serve ends a replica it first waits for its requests, as long as it may. An open stream is a request.

Serve tells an application of its end only after that. So streams would keep a replica for ten seconds, and be cut then.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from ray.serve._private import replica


def on_shutdown(then: Callable[[], None]) -> None:
    """Have this called, on the running loop, as soon as Serve begins to end the replica of this process."""
    serve, loop = cast("Any", replica).Replica, asyncio.get_running_loop()
    shut_down: Callable[[Any], Awaitable[None]] = serve.perform_graceful_shutdown

    async def tell_and_shut_down(self: Any) -> None:  # noqa: ANN401 - Serve's, untyped
        loop.call_soon_threadsafe(then)
        await shut_down(self)

    serve.perform_graceful_shutdown = tell_and_shut_down
