"""Where a replica listens for Serve's own calls, of which each is a pickle: a client of the port can run code.

Ray's token is not asked for there, and Serve binds it at every address (ray/serve/_private/replica.py, `[::]:0`), with
no setting. Other nodes' proxies reach a replica at its node's address, so that is where it has to listen, no further.
"""

from collections.abc import Callable
from typing import Any, cast

import ray
from ray.serve._private import replica

_EVERYWHERE = "[::]:0"


def listen_at_own_address() -> None:
    """Have the replica of this process listen at the address of its node alone. Call it before Serve begins to."""
    serve = cast("Any", replica)
    bind: Callable[[Any, str], int] = serve.add_port_to_grpc_server
    node: str = cast("Any", ray.util).get_node_ip_address()
    own = f"[{node}]:0" if ":" in node else f"{node}:0"

    def bind_there(server: object, address: str) -> int:
        return bind(server, own if address == _EVERYWHERE else address)

    serve.add_port_to_grpc_server = bind_there
