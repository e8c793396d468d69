"""The people in line for tickets, once more: who is next, and that nobody else gets what is released.

Written down without asking actors/domain, as the other rules are.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Protocol

from actors.domain.ticket_events import (
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderExpired,
    TicketWithdrawn,
    WaiterJoined,
    WaiterLeft,
    WaitingListClosed,
)
from actors.domain.ticket_values import Order
from actors.runtime.ports import RecordedEvent

MOST_IN_LINE = 100


class Listed(Protocol):
    """What the rules need to know of a ticket."""

    price: int
    begins: int | None


@dataclass
class Lines:
    """Who waits for each ticket, with the most that they pay. `barred` may not buy.

    `due` has the tickets that were released and must be offered to somebody before their commit ends.
    """

    barred: set[str] = field(default_factory=set)
    offer_window_ms: int = 0
    of: dict[str, dict[str, int | None]] = field(default_factory=lambda: defaultdict(dict))
    due: dict[str, str] = field(default_factory=dict)
    offers: int = 0

    def changed(self, ticket_id: str, record: RecordedEvent, ticket: Listed | None) -> str | None:
        """Note an event of the ticket, which is as it was before. Return what is wrong with it, if anything is."""
        event, line = record.event, self.of[ticket_id]
        wrong = self._wrong(ticket_id, record, self.due.pop(ticket_id, None))
        match event:
            case WaiterJoined():
                line[event.user_id] = event.max_price
            case WaiterLeft():
                line.pop(event.user_id, None)
            case WaitingListClosed() | TicketWithdrawn() | OrderCompleted():
                line.clear()
            case OrderCreated(order=order):
                line.pop(order.buyer_id, None)
            case OrderCancelled() | OrderExpired() if ticket is not None:
                next_one = self._first_fitting(line, ticket, record.at)
                if next_one is not None:
                    self.due[ticket_id] = next_one
        return wrong

    def _wrong(self, ticket_id: str, record: RecordedEvent, due: str | None) -> str | None:
        match record.event:
            case OrderCreated(order=Order(offer=True) as order):
                self.offers += 1
                return self._wrong_with(order, due)
            case WaiterJoined(user_id=user_id) if len({*self.of[ticket_id], user_id}) > MOST_IN_LINE:
                return f"the line for {ticket_id} is too long"
            case TicketWithdrawn():
                return None
        return None if due is None else f"{ticket_id} was due to {due}, and {type(record.event).__name__} came first"

    def _wrong_with(self, offer: Order, due: str | None) -> str | None:
        if offer.buyer_id != due:
            return f"{offer.ticket_id} was offered to {offer.buyer_id}, and it was due to {due}"
        is_long = offer.expires_at - offer.created_at > self.offer_window_ms
        return f"the offer {offer.id} stands for longer than offers do" if is_long else None

    def _first_fitting(self, line: dict[str, int | None], ticket: Listed, at: int) -> str | None:
        if ticket.begins is not None and at >= ticket.begins:
            return None
        fitting = (
            user for user, most in line.items() if user not in self.barred and (most is None or ticket.price <= most)
        )
        return next(fitting, None)
