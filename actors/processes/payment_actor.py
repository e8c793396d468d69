"""PaymentActor: owns charges, and is the only one that talks to Stripe."""

from collections.abc import Sequence
from functools import partial

from actors.domain.answers import ChargeAnswer, Moved
from actors.domain.charge_commands import ChargeCommand, PaymentCommand, charge_id_of
from actors.domain.charge_values import Charge
from actors.domain.refusals import Refusal
from actors.payments.charge_entity import ChargeEntity
from actors.payments.charge_workflow import ChargeWorkflow
from actors.processes.base import HostActor
from actors.processes.resources import Resources
from actors.runtime.commit_relay import CommitRelay
from actors.runtime.host import Host
from actors.runtime.ownership import Ownership
from actors.runtime.ports import Instant
from actors.runtime.trace import Traced
from actors.stripe.call import calls


class PaymentActor(HostActor):
    """Hosts charges and takes them from step to step at Stripe."""

    _payments: ChargeWorkflow
    _host: Host[Charge, ChargeCommand, Charge]
    _commit_relay: CommitRelay
    _ownership: Ownership

    async def start(self, connections: Resources) -> None:
        self._commit_relay = connections.commit_relay(writer=self.writer, host=self.name)
        entity = ChargeEntity(connections.queries)
        # Steps that were begun here are finished here, whoever owns the charge by then.
        under_way = connections.members.ownership(self.name, takes_all=True)
        self._host = host = connections.host(entity, self._commit_relay, writer=self.writer, ownership=under_way)
        self._ownership = connections.members.ownership(self.name)
        self.counters, self.signals = host.counters, host.signals
        account = connections.open_account(self.settings)
        await account.prepare()
        self._payments = ChargeWorkflow(host, account.stripe, connections.clock)
        connections.supervise(self._commit_relay.run(), host.run(), *account.jobs())

    def stripe_calls(self) -> dict[str, int]:
        return dict(calls)

    async def handle(
        self,
        messages: Sequence[PaymentCommand | Traced],
        deadline: Instant,
        *,
        redelivered: bool,  # noqa: ARG002 - steps are repeatable
    ) -> list[ChargeAnswer | Refusal | Moved]:
        """Charges go on when their caller has given up: what was begun at Stripe is to be known."""
        handle = partial(self._payments.handle, deadline=deadline)
        return await self.handle_own(self._ownership, messages, charge_id_of, handle)

    def is_finished(self) -> bool:
        return not self._host.is_busy and self._commit_relay.is_finished

    async def leave(self) -> None:
        await self._commit_relay.leave()
