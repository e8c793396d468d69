"""An actor's sign of life."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from actors.runtime.host import Counters
from actors.runtime.ports import HostUnreachableError
from actors.runtime.signals import Signals


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Who an actor is, where it runs, what it did, and whether it may be ended.

    `started` is when its process did, in seconds since the epoch: after a death the same pid may be somebody else's.
    It is 0 where it is not known. `membership` is the newest version of the membership that it knows,
    `duties` how its background work does (see supervision/duty.py). `signals` tell of its host, None where it has none:
    before it started, and in actors that host nothing. `refusals` counts its answers that are one, by class, and
    `stripe_calls` its calls to Stripe, by whether they were answered.
    """

    name: str
    writer: str
    pid: int
    node_id: str
    counters: Counters
    idle: bool = False
    started: float = 0.0
    membership: int = 0
    duties: dict[str, dict[str, Any]] = field(default_factory=dict)
    signals: Signals | None = None
    refusals: dict[str, int] = field(default_factory=dict)
    stripe_calls: dict[str, int] = field(default_factory=dict)


class ActorMissingError(HostUnreachableError):
    """No actor has this name, and none that has it is being started: somebody has to create it."""


class ActorDirectory(Protocol):
    """All actors, as whoever watches over them sees them. What fails raises HostUnreachableError."""

    async def ping(self, name: str) -> Heartbeat:
        """The actor's sign of life; waits as long as there is none. Raises ActorMissingError."""

    async def existing(self) -> set[str]:
        """The names of all actors that there are."""

    async def create(self, name: str) -> None:
        """Creates the actor if there is none. Of those who create it at the same time one succeeds, for all."""

    async def start(self, name: str) -> None:
        """Creates the actor of a ticket if there is none, and returns when it has started."""

    async def ready(self, name: str) -> None:
        """Returns when the actor has started."""

    async def replace(self, name: str, heartbeat: Heartbeat | None) -> None:
        """Ends the actor that last gave this heartbeat and has another started."""

    async def passivate(self, name: str) -> None:
        """Ends the actor if it is idle; it is not started again before somebody needs it."""

    async def nodes(self) -> set[str]:
        """The ids of the nodes that actors may be on; not of those that are being drained."""

    async def draining(self) -> set[str]:
        """The ids of the nodes that are being drained: what is on them has to leave."""

    async def move(self, name: str, node_id: str) -> None:
        """Has the actor answer what it has, ends it, and starts another on this node, or elsewhere if it is lost."""

    async def end(self, name: str) -> None:
        """Ends the actor for good, whatever it does."""
