"""What the Supervisor does about the journal when somebody died: carry commits on and wake holds."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Protocol

import structlog

from actors.cluster import names
from actors.domain.instants import Instant
from actors.domain.refusals import Refusal
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import ActivateTicket, TicketCommand
from actors.domain.ticket_values import Order
from actors.runtime.ports import Checkpoint, CheckpointStore, Clock, DocumentStore, Entity, EventStream, Journal
from actors.runtime.publisher import Publisher
from actors.runtime.replay import recover

DAY = 24 * 3600 * 1000
# A dead writer is looked at again, since its last insert may still be on the way; after a day it is forgotten.
LOOK_AGAIN = 60_000
# Holds are woken this long before their end, so that there is time for it.
WAKE_AHEAD = 60_000
WAKE_PAGE = 2_000
# A hold that is over for this long has no timer: whoever decided it was replaced, or was never known to us. Until its
# document is written, which may take longer, it is woken once in so long.
OVERDUE = 10_000
WAKE_AGAIN = 60_000

logger = structlog.get_logger(__name__)


class RecoveryReads(Protocol):
    """What is read to find those in need. All raise StoreUnavailableError."""

    async def orders_due(self, after: Instant, before: Instant, most: int) -> list[Order]:
        """The open orders whose time ends in [after, before), the earliest first."""


class WriterCheckpoints(CheckpointStore, Protocol):
    """The marks of all writers."""

    async def all(self) -> list[Checkpoint]:
        """Those that were not removed. Raises StoreUnavailableError."""


class Rescuers(Protocol):
    """Whom the Supervisor sends."""

    async def ask_ticket(self, command: TicketCommand) -> TicketAnswer | Refusal:
        """The ticket's answer, or why there is none."""


Together = Callable[..., Awaitable[list[Any]]]


class Recovery:
    """One round after the other; everything it does may be done twice."""

    def __init__(  # noqa: PLR0913, PLR0917 - the seams of the design
        self,
        behaviours: Mapping[str, Entity[Any, Any]],
        journal: Journal,
        documents: DocumentStore,
        stream: EventStream,
        marks: WriterCheckpoints,
        store: RecoveryReads,
        rescuers: Rescuers,
        clock: Clock,
        together: Together,
    ) -> None:
        """`behaviours` by kind of host; `together` runs awaitables side by side, such as asyncio.gather."""
        self._behaviours = behaviours
        self._journal = journal
        self._documents = documents
        self._publisher = Publisher(journal, stream, marks)
        self._marks = marks
        self._store = store
        self._rescuers = rescuers
        self._clock = clock
        self._together = together
        self._look_at: dict[str, Instant] = {}
        self._known_writers: set[str] = set()
        self._woken_until: Instant = 0
        self._woken_late: dict[str, Instant] = {}

    async def round(self, live: Mapping[str, str], awaited: AbstractSet[str]) -> None:
        """`live` says which writer each host is now, `awaited` are hosts that have not said so yet.

        Raises StoreUnavailableError; the next round begins where this one stopped.
        """
        await self._recover(set(live.values()), awaited)
        await self._wake(set(live.values()))
        await self._wake_overdue()

    async def _recover(self, live: AbstractSet[str], awaited: AbstractSet[str]) -> None:
        now = self._clock.now()
        everybody = await self._marks.all()
        self._look_at = {one.writer: self._look_at[one.writer] for one in everybody if one.writer in self._look_at}
        for marks in everybody:
            # While its host is silent a writer may live; it is replaced within seconds, and then it is dead.
            if marks.writer in live or marks.host in awaited or now < self._look_at.get(marks.writer, 0):
                continue
            behaviour = self._behaviours[names.kind_of(marks.host)]
            after = await recover(behaviour, self._journal, self._documents, self._publisher, marks)
            if after != marks:
                await self._marks.save(after)
                logger.info("writer_recovered", writer=marks.writer, commits=after.applied - marks.applied)
            elif marks.at < now - DAY:
                await self._marks.remove(marks.writer)
            self._look_at[marks.writer] = now + LOOK_AGAIN

    async def _wake(self, live: AbstractSet[str]) -> None:
        """Each hold is woken once in its last minute, and again when a host has lost its memory."""
        now = self._clock.now()
        if not live <= self._known_writers:
            self._woken_until = 0
        until = now + WAKE_AHEAD
        while True:
            orders = await self._store.orders_due(self._woken_until, until, WAKE_PAGE)
            if not await self._wake_all(orders):
                return  # a host does not answer yet: all of these are woken again in the next round
            if len(orders) < WAKE_PAGE:
                break
            self._woken_until = orders[-1].expires_at
        self._woken_until = until
        self._known_writers = set(live)

    async def _wake_overdue(self) -> None:
        now = self._clock.now()
        overdue = await self._store.orders_due(0, now - OVERDUE, WAKE_PAGE)
        self._woken_late = {one.id: self._woken_late[one.id] for one in overdue if one.id in self._woken_late}
        asleep = [one for one in overdue if self._woken_late.get(one.id, 0) <= now - WAKE_AGAIN]
        if await self._wake_all(asleep):
            self._woken_late.update({order.id: now for order in asleep})

    async def _wake_all(self, orders: Sequence[Order]) -> bool:
        """Whether every host answered."""
        answers = await self._together(
            *(self._rescuers.ask_ticket(ActivateTicket(order.ticket_id)) for order in orders)
        )
        return not any(isinstance(answer, Refusal) for answer in answers)
