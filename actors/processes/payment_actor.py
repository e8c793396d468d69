"""PaymentActor: owns charges, and is the only one that talks to Stripe."""

import asyncio
from collections.abc import Sequence
from functools import partial

from actors.domain.answers import ChargeAnswer
from actors.domain.charge_commands import PaymentCommand
from actors.domain.refusals import Refusal
from actors.payments.charge_entity import ChargeEntity
from actors.payments.charge_workflow import ChargeWorkflow
from actors.processes.base import HostActor
from actors.processes.resources import Resources
from actors.runtime.ports import Instant
from actors.runtime.spans import handle_traced
from actors.runtime.trace import Traced
from actors.stripe.call import calls


class PaymentActor(HostActor):
    """Hosts charges and takes them from step to step at Stripe."""

    _payments: ChargeWorkflow

    async def start(self, connections: Resources) -> None:
        commit_relay = connections.commit_relay(writer=self.writer, host=self.name)
        entity = ChargeEntity(connections.queries)
        host = connections.host(entity, commit_relay, writer=self.writer)
        self.counters, self.signals = host.counters, host.signals
        account = connections.open_account(self.settings)
        await account.prepare()
        self._payments = ChargeWorkflow(host, account.stripe, connections.clock)
        connections.supervise(commit_relay.run(), host.run(), *account.jobs())

    def stripe_calls(self) -> dict[str, int]:
        return dict(calls)

    async def handle(
        self,
        messages: Sequence[PaymentCommand | Traced],
        deadline: Instant,
        *,
        redelivered: bool,  # noqa: ARG002 - steps are repeatable
    ) -> list[ChargeAnswer | Refusal]:
        """Charges go on when their caller has given up: what was begun at Stripe is to be known."""
        handle = partial(self._payments.handle, deadline=deadline)
        return list(await asyncio.gather(*(handle_traced(message, handle) for message in messages)))
