"""OrderActor: runs one purchase at a time per order."""

import asyncio
from collections.abc import Sequence

from actors.domain.answers import PaymentAnswer
from actors.domain.purchase_commands import PurchaseCommand
from actors.domain.refusals import Refusal
from actors.payments.purchase import PurchaseSaga
from actors.processes.base import HostActor
from actors.processes.resources import Resources
from actors.runtime.ports import Instant


class OrderActor(HostActor):
    """Carries purchases through tickets and charges. Has no journal of its own: those two have."""

    _purchases: PurchaseSaga

    async def start(self, connections: Resources) -> None:
        self._purchases = PurchaseSaga(
            self.system.actors(self.settings, connections.clock),
            connections.queries,
            connections.clock,
            grace=self.settings.payment_grace_ms,
            attempts=self.settings.payment_attempts,
        )

    async def handle(
        self,
        messages: Sequence[PurchaseCommand],
        _deadline: Instant,
        *,
        again: bool,
    ) -> list[PaymentAnswer | Refusal]:
        self.counters.deliveries += 1
        self.counters.messages += len(messages)
        return list(await asyncio.gather(*(self._purchases.handle(message, again=again) for message in messages)))
