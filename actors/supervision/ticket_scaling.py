"""What the automatic scaling changes: how many shared ticket hosts there are, and which tickets are pinned."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from actors.cluster import names
from actors.cluster.members import Members
from actors.cluster.membership import resized
from actors.domain.membership import Hosts
from actors.supervision.autoscaler import Resize, TicketHosts
from actors.supervision.hot_tickets_policy import Pin, Unpin
from actors.supervision.scaling import OutdatedError, Scaling


class TicketScaling:
    """See autoscaler.TicketHostChanges. What an operator pinned, it leaves; so it does what an earlier one pinned."""

    def __init__(self, members: Members, scaling: Scaling, start: Callable[[str], Awaitable[None]]) -> None:
        """`start` starts an actor, and returns when it has started."""
        self._members = members
        self._scaling = scaling
        self._start = start
        self._automatic: frozenset[str] = frozenset()

    def current(self) -> TicketHosts:
        """Return what is in force, as far as this process knows."""
        known = self._members.known
        if known is None:
            return TicketHosts(())
        hosts = known.membership.hosts
        self._automatic &= frozenset(hosts.pinned)
        return TicketHosts(hosts.tickets, frozenset(hosts.pinned), self._automatic)

    async def apply(self, change: Resize | Pin | Unpin, reason: str) -> None:
        """Make the change, unless an operator makes one at this moment.

        Raises StoreUnavailableError and HostUnreachableError.
        """
        known = await self._members.fresh()
        try:
            await self._scaling.change(known, _changed(known.membership.hosts, change), reason, self._start)
        except OutdatedError:
            return
        await self._members.refresh()
        if isinstance(change, Pin):
            self._automatic |= {change.ticket_id}


def _changed(hosts: Hosts, change: Resize | Pin | Unpin) -> Hosts:
    match change:
        case Resize(hosts=size):
            return resized(hosts, {names.TICKETS: size})
        case Pin(ticket_id=ticket_id):
            return replace(hosts, pinned=(*hosts.pinned, ticket_id))
        case Unpin(ticket_id=ticket_id):
            return replace(hosts, pinned=tuple(one for one in hosts.pinned if one != ticket_id))
