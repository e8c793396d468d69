"""The whole market in one process: the real hosts, purchases and payments on a real database, without Ray."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId

from actors.cluster import names
from actors.domain.answers import ChargeAnswer, PaymentAnswer
from actors.domain.charge_commands import PaymentCommand
from actors.domain.purchase_commands import Pay, RefundOrder, ResolveRefund, ResumePurchase
from actors.domain.refusals import Refusal
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import TicketCommand
from actors.payments.charge_entity import ChargeEntity
from actors.payments.charge_workflow import ChargeWorkflow
from actors.payments.participants import Participants
from actors.payments.purchase import PurchaseSaga
from actors.payments.purchase_runner import PurchaseRunner
from actors.payments.refund_purchase import RefundSaga
from actors.payments.webhook_events import WebhookEventHandler
from actors.processes.servers import ProductionResources
from actors.processes.stripe_account import open_account
from actors.runtime.commit_relay import CommitRelay
from actors.runtime.entity import Entity
from actors.runtime.host import Host
from actors.runtime.ownership import Everything
from actors.runtime.trace import with_trace
from actors.storage.webhook_inbox import WebhookInbox
from actors.supervision.recovery import Recovery
from actors.supervision.stalled_purchases import StalledPurchases
from actors.tickets.entity import TicketEntity
from config.settings import Settings
from holdfast.cancellation import cancel_until_ended
from holdfast.events.partitions import EPOCH_KEYS
from tests.support.eventually import eventually

PATIENCE = 5_000
PAYMENT_PATIENCE = 20_000


@dataclass
class RunningHost:
    """A host with its jobs, which can be stopped dead as a killed process would."""

    host: Host[Any, Any]
    commit_relay: CommitRelay
    jobs: list[asyncio.Task[None]] = field(default_factory=list)

    async def kill(self) -> None:
        """Ends everything that runs for this host, also what still writes documents behind its replies."""
        while running := [task for task in asyncio.all_tasks() if self._has(task)]:
            await cancel_until_ended(running)

    def _has(self, task: asyncio.Task[Any]) -> bool:
        frame = getattr(task.get_coro(), "cr_frame", None)
        if frame is None:
            return False
        owner = frame.f_locals.get("self")
        return any(owner is own for own in (self.host, self.host.timers, self.commit_relay))


class LocalMarket:
    """Satisfies `actors.cluster.market.MarketClient`. `tickets` and `charges` are the hosts of now;
    `start_tickets` makes another."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.connections = ProductionResources(settings)
        self.tickets: RunningHost
        self.charges: RunningHost
        self.payments: ChargeWorkflow
        self.purchases: PurchaseRunner
        self.account = open_account(settings, self.connections.database)
        self.stripe = self.account.stripe
        self._all: list[RunningHost] = []

    def start(self) -> None:
        self.tickets = self.start_tickets()
        self.charges = self._start(ChargeEntity(self.connections.queries), "payments-0")
        self.payments = ChargeWorkflow(self.charges.host, self.stripe, self.connections.clock)
        self.purchases = self.purchase_runner(self)

    def purchase_runner(
        self,
        participants: Participants,
        *,
        saga: type[PurchaseSaga] = PurchaseSaga,
        grace_ms: int | None = None,
        max_attempts: int | None = None,
    ) -> PurchaseRunner:
        """What one more OrderActor would do, which talks to these participants; without numbers those of the market."""
        own, settings = self.connections, self.settings
        refunds = RefundSaga(participants, own.queries)
        purchases = saga(
            participants,
            own.queries,
            refunds,
            own.clock,
            grace_ms=settings.payment_grace_ms if grace_ms is None else grace_ms,
            max_attempts=settings.payment_attempts if max_attempts is None else max_attempts,
        )
        return PurchaseRunner(participants, own.queries, purchases, refunds)

    def start_tickets(self, *, fence_reads: bool = False) -> RunningHost:
        entity = TicketEntity(self.connections.queries, fee=self.settings.fee_hundredths)
        return self._start(entity, "tickets-0", fence_reads=fence_reads)

    def _start(self, entity: Entity[Any, Any], name: str, *, fence_reads: bool = False) -> RunningHost:
        writer = f"{name}-{ObjectId()}"
        commit_relay = self.connections.commit_relay(writer=writer, host=name)
        host = self.connections.host(
            entity, commit_relay, writer=writer, ownership=Everything(exclusive=not fence_reads)
        )
        running = RunningHost(
            host, commit_relay, [asyncio.create_task(host.run()), asyncio.create_task(commit_relay.run())]
        )
        for job in running.jobs:
            job.add_done_callback(_tell_if_it_broke)
        self._all.append(running)
        return running

    async def writes_everything(self) -> None:
        """Waits for the documents that nobody waited for."""

        await eventually(lambda: not any(running.commit_relay._dirty for running in (self.tickets, self.charges)))

    def recovery(self) -> Recovery:
        entities: dict[str, Entity[Any, Any]] = {
            names.TICKETS: TicketEntity(self.connections.queries),
            names.PAYMENTS: ChargeEntity(self.connections.queries),
        }
        own = self.connections
        return Recovery(entities, own.journal, own.documents, own.stream, own.checkpoints, own.queries, self, own.clock)

    def stalled_purchases(self) -> StalledPurchases:
        own = self.connections
        inbox = WebhookInbox(own.database)
        return StalledPurchases(own.queries, inbox, WebhookEventHandler(inbox, own.queries, self), self, own.clock)

    @property
    def live(self) -> dict[str, str]:
        return {"tickets-0": self.tickets.host.writer, "payments-0": self.charges.host.writer}

    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
        (answer,) = await self.ask_host(self.tickets, [command])
        return answer  # type: ignore[no-any-return]

    async def ask_host(self, running: RunningHost, commands: Sequence[Any], *, redelivered: bool = False) -> list[Any]:
        # As a gateway sends them.
        commands = [with_trace(command) for command in commands]
        return await running.host.deliver(commands, self.connections.clock.now() + PATIENCE, redelivered=redelivered)

    async def ask_charge(self, command: PaymentCommand) -> ChargeAnswer | Refusal:
        return await self.payments.handle(command, self.connections.clock.now() + PAYMENT_PATIENCE)

    async def pay(self, command: Pay) -> PaymentAnswer | Refusal:
        return await self.purchases.handle(command)

    async def refund(self, command: RefundOrder | ResolveRefund) -> PaymentAnswer | Refusal:
        return await self.purchases.handle(command)

    async def resume(self, command: ResumePurchase) -> PaymentAnswer | Refusal:
        return await self.purchases.handle(command)

    async def is_ready(self) -> bool:
        return True

    async def stop(self) -> None:
        for running in self._all:
            await running.kill()
        await self.stripe.aclose()
        await self.connections.close()


def _tell_if_it_broke(job: asyncio.Task[None]) -> None:
    if not job.cancelled():
        asyncio.get_running_loop().call_exception_handler({"message": "a job ended", "exception": job.exception()})


@asynccontextmanager
async def local_market(settings: Settings) -> AsyncIterator[LocalMarket]:
    """A market that starts at once and leaves nothing running."""
    from actors.storage.database import create_indexes  # noqa: PLC0415

    market = LocalMarket(settings)
    await create_indexes(market.connections.database)
    await market.account.prepare()
    # Tests share a Redis: whoever starts has it, whatever another market's Supervisor would say.
    await market.connections.redis.delete(*EPOCH_KEYS)
    await market.connections.epoch_keeper(settings).round()
    market.start()
    try:
        yield market
    finally:
        await market.stop()
