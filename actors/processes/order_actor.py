"""OrderActor: runs one purchase at a time per order."""

from collections.abc import Sequence
from functools import partial

from actors.domain.answers import Moved, PaymentAnswer
from actors.domain.purchase_commands import PurchaseCommand
from actors.domain.refusals import Refusal
from actors.payments.purchase import PurchaseSaga
from actors.payments.purchase_runner import PurchaseRunner
from actors.payments.refund_purchase import RefundSaga
from actors.processes.base import HostActor
from actors.processes.resources import Resources
from actors.runtime.ownership import Ownership
from actors.runtime.ports import Instant
from actors.runtime.trace import Traced


class OrderActor(HostActor):
    """Carries purchases through tickets and charges. Has no journal of its own: those two have."""

    _commands: PurchaseRunner
    _ownership: Ownership

    async def start(self, connections: Resources) -> None:
        queries, clock = connections.queries, connections.clock
        actors = self.system.actors(self.settings, connections)
        refunds = RefundSaga(actors, queries)
        purchases = PurchaseSaga(
            actors,
            queries,
            refunds,
            clock,
            grace_ms=self.settings.payment_grace_ms,
            max_attempts=self.settings.payment_attempts,
        )
        self._commands = PurchaseRunner(actors, queries, purchases, refunds)
        self._ownership = connections.members.ownership(self.name)

    async def handle(
        self,
        messages: Sequence[PurchaseCommand | Traced],
        _deadline: Instant,
        *,
        redelivered: bool,
    ) -> list[PaymentAnswer | Refusal | Moved]:
        self.counters.deliveries += 1
        self.counters.messages += len(messages)
        handle = partial(self._commands.handle, redelivered=redelivered)
        return await self.handle_own(self._ownership, messages, lambda command: str(command.order_id), handle)

    def is_finished(self) -> bool:
        return not self._commands.is_busy
