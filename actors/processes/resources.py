"""What one process of the market reaches outside of itself: servers in production, fakes in a simulation."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from actors.cluster.members import Members
from actors.metrics.servers import Servers
from actors.payments import webhook_events
from actors.payments.charge_entity import ChargeReads
from actors.payments.participants import PurchaseReads
from actors.payments.webhook_events import WebhookEventReads
from actors.runtime.clock import SharedClock
from actors.runtime.commit_relay import CommitRelay
from actors.runtime.entity import Entity
from actors.runtime.host import Host
from actors.runtime.ownership import Ownership
from actors.runtime.ports import Answer_co, Command, DocumentStore, EventStream, Journal, State
from actors.supervision import stalled_purchases
from actors.supervision.delisting import DelistingStore
from actors.supervision.duty import Duty
from actors.supervision.recovery import RecoveryReads, WriterCheckpoints
from actors.supervision.stalled_purchases import StalledPurchaseReads
from actors.supervision.user_events import PendingUserEvents
from actors.tickets.entity import TicketReads
from config.settings import Settings

if TYPE_CHECKING:
    # Half a second of processor time, which a TicketActor that starts again does not have.
    from actors.processes.stripe_account import Account

logger = structlog.get_logger(__name__)


class EntityReads(
    TicketReads, ChargeReads, PurchaseReads, WebhookEventReads, RecoveryReads, StalledPurchaseReads, Protocol
):
    """Everything that actors read from the database."""


class Inbox(webhook_events.Inbox, stalled_purchases.Inbox, Protocol):
    """Where Stripe's webhook events are kept."""


class Resources(ABC):
    """To be made inside of the process's event loop; nothing is sent yet."""

    clock: SharedClock
    members: Members
    journal: Journal
    documents: DocumentStore
    checkpoints: WriterCheckpoints
    queries: EntityReads
    stream: EventStream
    inbox: Inbox
    pending_user_events: PendingUserEvents
    delisting: DelistingStore

    @abstractmethod
    async def prepare(self) -> None:
        """Sees to it that keys are unique before anybody commits. Raises StoreUnavailableError."""

    async def close(self) -> None:  # noqa: B027 - there is nothing to close without servers
        """Closes the connections; nothing can be done with them afterwards."""

    @abstractmethod
    def open_account(self, settings: Settings) -> "Account":
        """The account at Stripe to pay into."""

    @abstractmethod
    def mail_duties(self, settings: Settings) -> list[Duty]:
        """Sending mail, and writing receipts."""

    def event_duties(self, _settings: Settings) -> list[Duty]:
        """What keeps the event stream whole: nothing where it cannot lose anything."""
        return []

    def watched_servers(self) -> Servers | None:
        """What metrics tell of the servers: nothing without any."""
        return None

    def background_jobs(self, _settings: Settings) -> list[Coroutine[Any, Any, None]]:
        """What the Supervisor does once, beside its duties: nothing without servers."""
        return []

    @abstractmethod
    def end_process(self) -> None:
        """Ends this process at once."""

    def commit_relay(self, *, writer: str, host: str) -> CommitRelay:
        """What relays this writer's commits."""
        return CommitRelay(
            self.journal,
            self.documents,
            self.stream,
            self.checkpoints,
            self.clock,
            writer=writer,
            host=host,
            report=lambda event, command: self.report(event, host, command),
        )

    def report(self, event: str, host: str, command: str) -> None:
        """Tells of a message whose handling raised; called from the except clause."""
        logger.exception(event, host=host, command=command)  # noqa: LOG004 - in one

    def host(
        self,
        entity: Entity[State, Command, Any, Answer_co],
        commit_relay: CommitRelay,
        *,
        writer: str,
        ownership: Ownership | None = None,
    ) -> Host[State, Command, Answer_co]:
        """A host of this writer; without an `ownership` it is the only one."""
        return Host(entity, self.journal, self.clock, commit_relay, writer=writer, ownership=ownership)

    def supervise(self, *jobs: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
        """Runs jobs that never end, as long as this process."""
        return supervise(self.end_process, *jobs)


def supervise(end_process: Callable[[], None], *jobs: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    """Runs jobs that never end. One that ends all the same is a bug: the process ends, and Ray starts it anew."""

    def on_end(task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        logger.critical("job_ended", job=task.get_name(), exc_info=task.exception())
        end_process()

    tasks = [asyncio.create_task(job) for job in jobs]
    for task in tasks:
        task.add_done_callback(on_end)
    return tasks
