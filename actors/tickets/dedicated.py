"""The tickets of one shared host that have an actor of their own: who gets one, and how a ticket moves there and back.

The shared host keeps serving a ticket until its own actor has started, and says `Moved` from then on. A caller that
does not find the own actor sends its command here again, marked as redelivered: then the ticket is served here once
more. Nothing of this is about safety. Both may have a ticket in memory at the same time: the journal is the judge, and
of reads too.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import compress, repeat

import structlog

from actors.cluster import names
from actors.cluster.client import ActorClient
from actors.cluster.heartbeat import ActorDirectory
from actors.cluster.market import TicketClient
from actors.domain.answers import Moved
from actors.domain.refusals import Refusal
from actors.domain.ticket import Ticket, TicketAnswer
from actors.domain.ticket_commands import ActivateTicket, ReadTicket, Reserve, TicketCommand
from actors.runtime.host import Host
from actors.runtime.placement import host_of
from actors.runtime.ports import Clock, HostUnreachableError, Instant, StoreUnavailableError
from actors.runtime.retry import retry
from actors.runtime.trace import Traced, message_of

# Processes that are being started by one shared host. Each takes most of a core for 0.6 s.
STARTS_AT_A_TIME = 2
START_SECONDS = 30.0
# How long it takes until a start that failed is tried again.
RETRY_SECONDS = 5.0
MEMBERS_SECONDS = 0.1
# With as many actors as are allowed, Ray is not asked for each reservation whether one has ended.
LISTED_SECONDS = 1.0
READ_TIMEOUT_MS = 5_000

logger = structlog.get_logger(__name__)


class DedicatedTickets:
    """Stands before a shared host. Start with `run`, talk to it with `deliver`."""

    def __init__(  # noqa: PLR0913, PLR0917 - the seams of the design
        self,
        name: str,
        most: int,
        host: Host[Ticket, TicketCommand, TicketAnswer],
        directory: ActorDirectory,
        actors: ActorClient,
        clock: Clock,
    ) -> None:
        """`name` is that of the shared host, which has its share of `most` actors."""
        self._name = name
        self._most = most
        self._members = actors.members
        self._host = host
        self._directory = directory
        self._tickets: TicketClient = actors
        self._clock = clock
        self._moved: set[str] = set()
        # Whether an actor may be created for it, or only found.
        self._wanted: dict[str, bool] = {}
        self._starting: set[str] = set()
        self._existed: set[str] = set()
        self._existed_at = float("-inf")
        self._has_wanted = asyncio.Event()

    @property
    def _share(self) -> int:
        hosts = self._members.names(names.TICKETS)
        return (self._most + len(hosts) - 1 - hosts.index(self._name)) // len(hosts) if self._name in hosts else 0

    async def deliver(
        self, messages: Sequence[TicketCommand | Traced], deadline: Instant, *, redelivered: bool
    ) -> list[TicketAnswer | Refusal | Moved]:
        """The replies in order, Moved for a ticket that has an actor of its own, unless `redelivered`."""
        commands: list[TicketCommand] = [message_of(message) for message in messages]
        if redelivered:
            self._take_back(commands)
        stays = [command.ticket_id not in self._moved for command in commands]
        replies = iter(await self._host.deliver(list(compress(messages, stays)), deadline, redelivered=redelivered))
        answers: list[TicketAnswer | Refusal | Moved] = [next(replies) if stay else Moved() for stay in stays]
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(command, Reserve) and _is_held(answer):
                self._want(command.ticket_id, may_create=True)
        return answers

    async def run(self) -> None:
        """Moves tickets until cancelled; at first those whose actors an earlier incarnation of this host started."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._adopt(), name="adopt")
            for number in range(STARTS_AT_A_TIME):
                tasks.create_task(self._move_those_wanted(), name=f"move-{number}")

    def _take_back(self, commands: Sequence[TicketCommand]) -> None:
        for command in commands:
            if command.ticket_id in self._moved:
                self._moved.discard(command.ticket_id)
                self._want(command.ticket_id, may_create=False)

    def _want(self, ticket_id: str, *, may_create: bool) -> None:
        """Has the ticket move, unless more wait than may ever have an actor: those stay here."""
        if len(self._wanted) < self._share:
            self._wanted[ticket_id] = may_create or self._wanted.get(ticket_id, False)
            self._has_wanted.set()

    async def _adopt(self) -> None:
        # Whose they are depends on who the members are, which a new market does not know at once.
        await retry(self._members.fresh, StoreUnavailableError, repeat(MEMBERS_SECONDS))
        for ticket_id in await retry(self._existing, HostUnreachableError, repeat(RETRY_SECONDS)):
            self._want(ticket_id, may_create=False)

    async def _move_those_wanted(self) -> None:
        while True:
            while not self._wanted:
                self._has_wanted.clear()
                await self._has_wanted.wait()
            ticket_id = next(iter(self._wanted))
            may_create = self._wanted.pop(ticket_id)
            self._starting.add(ticket_id)
            try:
                async with asyncio.timeout(START_SECONDS):
                    await self._move(ticket_id, may_create=may_create)
            except (HostUnreachableError, TimeoutError) as error:
                logger.warning("ticket_not_moved", ticket=ticket_id, error=type(error).__name__)
                again = partial(self._want, ticket_id, may_create=may_create)
                asyncio.get_running_loop().call_later(RETRY_SECONDS, again)
            finally:
                self._starting.discard(ticket_id)

    async def _move(self, ticket_id: str, *, may_create: bool) -> None:
        existing = await self._existing(max_age_seconds=LISTED_SECONDS if may_create else 0.0)
        self._moved &= existing
        name = names.dedicated(ticket_id)
        if ticket_id in existing:
            await self._directory.ready(name)
        elif may_create and len(existing | self._starting) <= self._share and _is_held(await self._read(ticket_id)):
            await self._directory.start(name)
            self._existed.add(ticket_id)
        else:
            return
        self._moved.add(ticket_id)
        # What came before this moment is decided before this answer, and what comes after it is not for this host.
        await self._read(ticket_id)
        if ticket_id in self._moved:
            self._host.release(ticket_id)
            # Its own actor learns when the hold ends; if it cannot, the Supervisor will find the hold.
            await self._tickets.ask_ticket(ActivateTicket(ticket_id))

    async def _existing(self, max_age_seconds: float = 0.0) -> set[str]:
        """The tickets of this host that have actors, whoever started them, as of so many seconds ago at most."""
        now = asyncio.get_running_loop().time()
        if now - self._existed_at >= max_age_seconds:
            dedicated = filter(names.is_dedicated, await self._directory.existing())
            ids = map(names.ticket_of, dedicated)
            hosts = self._members.names(names.TICKETS)
            self._existed = {one for one in ids if hosts and host_of(hosts, one) == self._name}
            self._existed_at = now
        return self._existed

    async def _read(self, ticket_id: str) -> TicketAnswer | Refusal:
        (answer,) = await self._host.deliver([ReadTicket(ticket_id)], self._clock.now() + READ_TIMEOUT_MS)
        return answer


def _is_held(answer: TicketAnswer | Refusal | Moved) -> bool:
    """Whether somebody holds the ticket. What reserved it is answered with its order, which may be over by then."""
    return isinstance(answer, TicketAnswer) and answer.order is not None and answer.order.is_open
