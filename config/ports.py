"""Ports of one market that no operator chooses: markets on one machine must not take each other's."""

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# Below 32768, where Linux begins to hand out ports for outgoing connections: a client that keeps knocking on a port
# of that range while its server restarts can be given the port itself, connect to itself and keep the server out.
FIRST, LAST = 20_000, 31_999
_WIDTH = 200


class NoFreePortsError(Exception):
    """Every range of ports between 20000 and 31999 is taken on this machine."""


@dataclass(frozen=True, slots=True)
class MarketPorts:
    """The ports of one market: a range of 200 that starts at ``base``."""

    base: int

    @property
    def database(self) -> int:
        """Where the embedded database listens, on the loopback address."""
        return self.base

    @property
    def redis(self) -> int:
        """Where the embedded Redis listens, on the loopback address."""
        return self.base + 1

    @property
    def haproxy_stats(self) -> int:
        """Where HAProxy shows its own state."""
        return self.base + 2

    @property
    def haproxy_metrics(self) -> int:
        """Where HAProxy offers its metrics."""
        return self.base + 3

    @property
    def fallback_http(self) -> int:
        """Where Serve's Python proxy listens, which HAProxy turns to while no replica answers."""
        return self.base + 4

    @property
    def fallback_grpc(self) -> int:
        """The same for gRPC, which Holdfast does not use but Serve binds."""
        return self.base + 5

    @property
    def metrics(self) -> int:
        """Where Ray's agent offers the metrics of this machine, the market's among them."""
        return self.base + 6

    @property
    def http_replicas(self) -> tuple[int, int]:
        """The first port and the one after the last at which Api replicas listen for HAProxy."""
        return self.base + 10, self.base + 150

    @property
    def grpc_replicas(self) -> tuple[int, int]:
        """The same for gRPC."""
        return self.base + 150, self.base + _WIDTH


def free_port() -> int:
    """Return a loopback port that nothing listens on, outside the range for outgoing connections.

    Raises NoFreePortsError when a hundred tries found none.
    """
    for _ in range(100):
        port = random.randint(FIRST, LAST)  # noqa: S311 - spreads servers that start at once, guards nothing
        if is_free(port):
            return port
    raise NoFreePortsError(f"no free port between {FIRST} and {LAST}")


def is_free(port: int) -> bool:
    """Return whether a server could listen on ``port`` of every address of this machine."""
    try:
        listen_for_a_moment("0.0.0.0", port)  # noqa: S104 - nobody is answered
    except OSError:
        return False
    return True


def listen_for_a_moment(host: str, port: int) -> None:
    """Try to bind ``port`` of the address ``host``. Raises OSError when a server could not listen there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if probe.family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind((host, port))


def has_address(host: str) -> bool:
    """Return whether this machine has the address ``host``, so that a server can listen at it."""
    try:
        listen_for_a_moment(host, 0)
    except OSError:
        return False
    return True


@contextmanager
def reserve() -> Iterator[MarketPorts]:
    """Reserve a range of ports for as long as the context lasts, also against markets that have not bound theirs yet.

    Raises NoFreePortsError when there is none.
    """
    for base in range(FIRST, LAST, _WIDTH):
        # The UDP port beside the first TCP port, which nothing uses, stands for the range: it can be bound once, and is
        # free again when its process ends, however it ends.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reservation:
            try:
                reservation.bind(("127.0.0.1", base))
            except OSError:
                continue
            # Ports above the first few are taken one by one by Serve, which skips those in use.
            if all(is_free(port) for port in range(base, base + 12)):
                yield MarketPorts(base)
                return
    raise NoFreePortsError(f"no free range of {_WIDTH} ports between {FIRST} and {LAST}")
