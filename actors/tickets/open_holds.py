"""What a host of tickets knows of its buyers: how many tickets they hold, and how many holds they did not pay."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from actors.domain import unpaid_holds
from actors.domain.instants import Instant
from actors.domain.ticket_commands import Reserve
from actors.domain.ticket_values import Order
from actors.domain.unpaid_holds import allowed_at
from actors.runtime.bounded_dict import BoundedDict

KNOWN_BUYERS = 50_000


@dataclass(slots=True)
class _Buyer:
    """The ends of the open holds by order, and when those ended that were not paid, the newest last.

    `is_doubted` once other hosts may know more.
    """

    open: dict[str, Instant] = field(default_factory=dict)
    unpaid: list[Instant] = field(default_factory=list)
    is_doubted: bool = False

    def add(self, order: Order) -> None:
        """Count an order as it is now, unless it is an offer. That it ended unpaid counts once, however often."""
        if order.is_open:
            if not order.offer:
                self.open[order.id] = order.expires_at
        elif self.open.pop(order.id, None) is not None and unpaid_holds.ended_unpaid(order):
            self.unpaid.append(order.updated_at)


class OpenHolds:
    """The holds of the buyers seen lately: exact for what this host decides, a fairness limit across hosts."""

    def __init__(self) -> None:
        self._buyers: BoundedDict[str, _Buyer] = BoundedDict(KNOWN_BUYERS)
        # What was noted and is not in the journal yet: the buyer, and their holds before the note.
        self._noted: list[tuple[_Buyer, str, Instant | None, int]] = []

    def unknown(self, buyer_ids: Collection[str]) -> set[str]:
        """Return the buyers of whom the documents are to be asked."""
        known = {buyer_id: self._buyers.get(buyer_id) for buyer_id in buyer_ids}
        return {buyer_id for buyer_id, buyer in known.items() if buyer is None or buyer.is_doubted}

    def learn(self, buyer_ids: Collection[str], orders: Sequence[Order]) -> None:
        """Remember the stored orders of these buyers, and forget the buyers known longest.

        What this host decided stays known: its documents may not be written yet.
        """
        learned = {buyer_id: _Buyer() for buyer_id in buyer_ids}
        for order in orders:
            buyer = learned[order.buyer_id]
            buyer.open[order.id] = order.expires_at
            buyer.add(order)
        over = {order.id for order in orders if not order.is_open}
        for buyer_id, buyer in learned.items():
            if (known := self._buyers.get(buyer_id)) is not None:
                _add_known(buyer, known, over)
            buyer.unpaid.sort()
            _trim(buyer)
        self._buyers.update(learned)

    def doubt(self) -> None:
        """Have every buyer learned anew: their tickets may be in other hosts by now, and those of others here."""
        for buyer in self._buyers.values():
            buyer.is_doubted = True

    def in_doubt(self, reserves: Iterable[Reserve]) -> set[str]:
        """Return the orders that these reservations may be refused for: other hosts may have ended them since.

        That a hold ended unpaid is never in doubt.
        """
        wanted = Counter(command.buyer_id for command in reserves if command.max_holds is not None)
        limits = {command.buyer_id: command.max_holds or 0 for command in reserves}
        orders: set[str] = set()
        for buyer_id, count in wanted.items():
            buyer = self._buyers.get(buyer_id)
            if buyer is not None and len(buyer.open) + count > limits[buyer_id]:
                orders.update(buyer.open)
        return orders

    def correct(self, orders: Iterable[Order]) -> None:
        """Take note of orders that are over by now, as their documents say."""
        for order in orders:
            buyer = self._buyers.get(order.buyer_id)
            if buyer is not None and not order.is_open:
                buyer.add(order)
                _trim(buyer)

    def note(self, order: Order) -> None:
        """Count an order as this turn leaves it, until `settle` says whether that came to be."""
        buyer = self._buyers.get(order.buyer_id)
        if buyer is not None:
            self._noted.append((buyer, order.id, buyer.open.get(order.id), len(buyer.unpaid)))
            buyer.add(order)

    def open_of(self, buyer_id: str, now: Instant) -> tuple[int, Instant]:
        """Return how many tickets the buyer holds, and when the first of these holds ends (0 for none)."""
        buyer = self._buyers.get(buyer_id)
        ends = [end for end in buyer.open.values() if now < end] if buyer else []
        return len(ends), min(ends, default=0)

    def unpaid_until(self, buyer_id: str) -> Instant:
        """Return the instant from which another hold may end unpaid; 0 for always."""
        buyer = self._buyers.get(buyer_id)
        return allowed_at(buyer.unpaid, unpaid_holds.MOST_OF_A_BUYER) if buyer else 0

    def on_turn_end(self, *, committed: bool) -> None:
        """Keep what was noted since the last time, or take it back."""
        while self._noted:
            buyer, order_id, end, unpaid = self._noted.pop()
            if committed:
                _trim(buyer)
                continue
            del buyer.unpaid[unpaid:]
            if end is None:
                buyer.open.pop(order_id, None)
            else:
                buyer.open[order_id] = end


def _add_known(buyer: _Buyer, known: _Buyer, over: AbstractSet[str]) -> None:
    """Add what a host knew to what it learned, each hold once."""
    for order_id, end in known.open.items():
        if order_id not in over:
            buyer.open[order_id] = max(end, buyer.open.get(order_id, 0))
    buyer.unpaid = list((Counter(buyer.unpaid) | Counter(known.unpaid)).elements())


def _trim(buyer: _Buyer) -> None:
    del buyer.unpaid[: -unpaid_holds.MOST_OF_A_BUYER]
