"""What the Supervisor does about the journal when a process died: relay its commits and activate tickets with holds."""

import asyncio
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Protocol

import structlog

from actors.cluster import names
from actors.cluster.market import TicketClient
from actors.domain.instants import Instant
from actors.domain.refusals import Refusal
from actors.domain.ticket_commands import ActivateTicket
from actors.domain.ticket_values import Order
from actors.runtime.entity import Entity
from actors.runtime.ports import Checkpoint, CheckpointStore, Clock, DocumentStore, EventStream, Journal
from actors.runtime.publisher import Publisher
from actors.runtime.replay import recover

DAY_MS = 24 * 3600 * 1000
# A dead writer is looked at again, since its last insert may still be on the way; after a day it is forgotten.
LOOK_AGAIN_MS = 60_000
# Holds are woken this long before their end, so that there is time for it.
WAKE_AHEAD_MS = 60_000
WAKE_PAGE = 2_000
# A hold that is over for this long has no timer: whoever decided it was replaced, or was never known to us. Until its
# document is written, which may take longer, it is woken once in so long.
OVERDUE_MS = 10_000
WAKE_AGAIN_MS = 60_000

logger = structlog.get_logger(__name__)


class RecoveryReads(Protocol):
    """What is read to find those in need. All raise StoreUnavailableError."""

    async def orders_due(self, after: Instant, before: Instant, most: int) -> list[Order]:
        """The open orders whose time ends in [after, before), the earliest first."""


class WriterCheckpoints(CheckpointStore, Protocol):
    """The checkpoints of all writers."""

    async def all(self) -> list[Checkpoint]:
        """Those that were not removed. Raises StoreUnavailableError."""


class Recovery:
    """One round after the other; everything it does may be done twice."""

    def __init__(  # noqa: PLR0913, PLR0917 - the seams of the design
        self,
        entities: Mapping[str, Entity[Any, Any]],
        journal: Journal,
        documents: DocumentStore,
        stream: EventStream,
        checkpoints: WriterCheckpoints,
        store: RecoveryReads,
        tickets: TicketClient,
        clock: Clock,
    ) -> None:
        """`entities` by kind of host."""
        self._entities = entities
        self._journal = journal
        self._documents = documents
        self._publisher = Publisher(journal, stream, checkpoints)
        self._checkpoints = checkpoints
        self._store = store
        self._tickets = tickets
        self._clock = clock
        # How many dead writers left something to relay, for metrics.
        self.recovered = 0
        self._look_at: dict[str, Instant] = {}
        self._known: dict[str, str] = {}
        self._generation = 0
        self._woken_until: Instant = 0
        self._woken_late: dict[str, Instant] = {}

    async def round(self, live: Mapping[str, str], awaited: AbstractSet[str], generation: int = 0) -> None:
        """`live` says which writer each host is now, `awaited` are hosts that have not said so yet.

        Another `generation` says that tickets have other owners than before, see Members.generation.

        Raises StoreUnavailableError; the next round begins where this one stopped.
        """
        await self._recover(set(live.values()), awaited)
        await self._wake(live, generation)
        await self._wake_overdue()

    async def _recover(self, live: AbstractSet[str], awaited: AbstractSet[str]) -> None:
        now = self._clock.now()
        everybody = await self._checkpoints.all()
        self._look_at = {one.writer: self._look_at[one.writer] for one in everybody if one.writer in self._look_at}
        for checkpoint in everybody:
            # While its host is silent a writer may live; it is replaced within seconds, and then it is dead.
            if checkpoint.writer in live or checkpoint.host in awaited or now < self._look_at.get(checkpoint.writer, 0):
                continue
            entity = self._entities[names.kind_of(checkpoint.host)]
            after = await recover(entity, self._journal, self._documents, self._publisher, checkpoint)
            if after != checkpoint:
                await self._checkpoints.save(after)
                self.recovered += 1
                logger.info("writer_recovered", writer=checkpoint.writer, commits=after.applied - checkpoint.applied)
            elif checkpoint.at < now - DAY_MS:
                await self._checkpoints.remove(checkpoint.writer)
            self._look_at[checkpoint.writer] = now + LOOK_AGAIN_MS

    async def _wake(self, live: Mapping[str, str], generation: int) -> None:
        """Each hold is woken once in its last minute, and again when a host lost its memory or its tickets moved."""
        now = self._clock.now()
        # New owners do not know of the holds of their tickets.
        if generation != self._generation or not set(live.values()) <= set(self._known.values()):
            self._woken_until = 0
        until = now + WAKE_AHEAD_MS
        while True:
            orders = await self._store.orders_due(self._woken_until, until, WAKE_PAGE)
            if not await self._wake_all(orders):
                return  # a host does not answer yet: all of these are woken again in the next round
            if len(orders) < WAKE_PAGE:
                break
            self._woken_until = orders[-1].expires_at
        self._woken_until = until
        self._known, self._generation = dict(live), generation

    async def _wake_overdue(self) -> None:
        now = self._clock.now()
        overdue = await self._store.orders_due(0, now - OVERDUE_MS, WAKE_PAGE)
        self._woken_late = {one.id: self._woken_late[one.id] for one in overdue if one.id in self._woken_late}
        asleep = [one for one in overdue if self._woken_late.get(one.id, 0) <= now - WAKE_AGAIN_MS]
        if await self._wake_all(asleep):
            self._woken_late.update({order.id: now for order in asleep})

    async def _wake_all(self, orders: Sequence[Order]) -> bool:
        """Whether every host answered."""
        answers = await asyncio.gather(*(self._tickets.ask_ticket(ActivateTicket(order.ticket_id)) for order in orders))
        return not any(isinstance(answer, Refusal) for answer in answers)
