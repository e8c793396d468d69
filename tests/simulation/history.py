"""What truly happened: every version of every entity, as the journal has it."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from actors.domain import charge as charge_rules
from actors.domain.charge_values import Charge
from actors.domain.ticket import Ticket
from actors.domain.ticket import evolve as evolve_ticket
from actors.domain.ticket_values import Order
from actors.runtime.ports import RecordedEvent


@dataclass
class History:
    """States by version, the first at 0. `orders` by id and version."""

    tickets: dict[str, list[Ticket]] = field(default_factory=lambda: defaultdict(list))
    charges: dict[str, list[Charge]] = field(default_factory=lambda: defaultdict(list))
    orders: dict[str, list[Order]] = field(default_factory=lambda: defaultdict(list))

    def add(self, record: RecordedEvent) -> None:
        """Adds the state after the event."""
        kind, _, entity_id = record.entity.partition(":")
        event: Any = record.event
        if kind == "ticket":
            states = self.tickets[entity_id]
            states.append(evolve_ticket(states[-1] if states else None, event, record.at, entity_id))
            order: Order | None = getattr(event, "order", None)
            if order is not None:
                self.orders[order.id].append(order)
        elif kind == "charge":
            self.charges[entity_id].append(charge_rules.evolve(event))

    def versions(self, kind: str, entity_id: str) -> list[Any]:
        """All states of one entity."""
        kinds: dict[str, dict[str, list[Any]]] = {
            "tickets": self.tickets,
            "orders": self.orders,
            "charges": self.charges,
        }
        return kinds[kind].get(entity_id, [])
