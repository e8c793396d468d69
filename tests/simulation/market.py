"""The market of one simulation: its servers, and the actors as they are in production on top of them."""

import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from random import Random
from typing import Literal

from pydantic import SecretStr
from redis.exceptions import ConnectionError as RedisConnectionError

from actors.cluster import names
from actors.cluster.members import Members
from actors.cluster.membership import all_names, of_settings
from actors.events.consumer import Consumer, Handle
from actors.events.epochs import EVERY_SECONDS as EPOCH_SECONDS
from actors.events.epochs import EpochKeeper
from actors.events.journal_history import JournalHistory
from actors.events.redis_stream import MAX_BYTES, PublishedEvents, RedisEventStream
from actors.mail import MailResources, duties
from actors.mail.backends import NotSentError
from actors.mail.templates import Message
from actors.processes.resources import Resources
from actors.processes.stripe_account import SANDBOX_KEY, Account
from actors.runtime.clock import SharedClock
from actors.runtime.ports import Commit, StoreUnavailableError
from actors.stripe.client import connect
from actors.stripe.sandbox import LedgerUnavailable, Sandbox, SandboxHTTPClient, WebhookDelivery
from actors.supervision.duty import Duty
from config.settings import Settings
from holdfast.events import Event, Subjects
from tests.simulation.actors import SimulatedRay
from tests.simulation.api import Api
from tests.simulation.database import Tables
from tests.simulation.event_rules import EventRules
from tests.simulation.event_stores import FakeChangedUsers, FakePositions, FakeStreamStates
from tests.simulation.loop import Process
from tests.simulation.mail import FakeEmailBackend, FakeEmailTokens, FakeMailQueries, FakeOutbox, Mails
from tests.simulation.members import GROUP, SUBJECTS, Member
from tests.simulation.partitions import Partition, PartitionedCheckpoints, PartitionedJournal, PartitionedQueries
from tests.simulation.redis_client import client_of
from tests.simulation.redis_data import RedisData
from tests.simulation.redis_streams import Fields
from tests.simulation.server import Server
from tests.simulation.stores import (
    FakeCheckpoints,
    FakeDelisting,
    FakeDocuments,
    FakeInbox,
    FakeJournal,
    FakePendingUserEvents,
    FakeQueries,
)
from tests.simulation.stripe import RemoteLedger, SimulatedEndpoint, WatchedLedger
from tests.simulation.world import EPOCH, World

Placement = Literal["shared", "dedicated"]
# How many markets give tickets actors of their own, some of them to few.
DEDICATED = 0.2
# Seconds until a majority has what the primary has.
REPLICATION = (0.0005, 0.005)
LATE_REPLICA = (0.05, 8.0)


class SimulatedMarket:
    """Everything that a market consists of."""

    def __init__(self, world: World, settings: Settings, partitions: int = 1) -> None:
        """Make it with its journal in so many databases; all else is in the first one."""
        self.world = world
        self.settings = settings
        # Seconds between the true time and the clock of whoever is the database's primary.
        self.primary_is_ahead = 0.0
        # By the name of a process, until when it cannot read the membership.
        self.blind_until: dict[str, float] = {}
        servers = ["database", *(f"database {number}" for number in range(2, partitions + 1))]
        self.databases = [Server(world, name, StoreUnavailableError) for name in servers]
        self.partitions = [Partition(server, Tables()) for server in self.databases]
        self.database, self.tables = self.databases[0], self.partitions[0].tables
        self.mails = Mails()
        # Told of every mail that arrived: its id, its address, and what it says.
        self.when_mail_arrived: Callable[[str, str, Message], None] = lambda _id, _address, _letter: None
        # Seconds between the true time and the clock of Redis.
        self.redis_is_ahead = 0.0
        self.redis_data = RedisData(lambda: int((world.now + self.redis_is_ahead) * 1000))
        self.ledger = WatchedLedger()
        self.redis = Server(world, "redis", RedisConnectionError)
        self.stripe = Server(world, "stripe", LedgerUnavailable)
        self.smtp = Server(world, "smtp", NotSentError)
        self.ray = SimulatedRay(world, settings, self.connect)
        self.event_rules = EventRules(world, self.redis_data, settings.public_url)
        self.redis_data.when_added = self._added
        self.redis_data.when_given = self.event_rules.given
        self.members: list[Member] = []
        self.apis = [Api(self, number) for number in range(settings.api_replicas)]
        for each in self.partitions:
            each.tables.when_committed = self.event_rules.committed_to
            each.tables.when_inserted = partial(self._replicate, each.tables)
        self._replicas = world.loop.process("replicas")
        world.when_died = self._died

    def start(self) -> None:
        """Creates the actors and the replicas."""
        for name in (*all_names(of_settings(self.settings)), names.SUPERVISOR):
            self.ray.create(name)
        for api in self.apis:
            api.start()
        for member in self.members:
            member.start()

    def add_members(self, count: int) -> None:
        """Other people's consumers, to be started with the rest."""
        self.members = [Member(self, number) for number in range(count)]
        self.event_rules.subscribed(GROUP, Subjects(SUBJECTS))

    def connect(self, world: World, process: Process) -> "SimulatedConnections":
        """What one process of it is connected to."""
        return SimulatedConnections(self, world, process)

    def sandbox(self, seed: int) -> Sandbox:
        """Stripe as one process of ours reaches it."""
        numbers = Random(seed)  # noqa: S311 - to have the same again
        return Sandbox(
            RemoteLedger(self.stripe, self.ledger),
            now=lambda: self.world.now,
            ids=lambda prefix: f"{prefix}_{self.world.new_id()}",
            random=numbers,
        )

    def _replicate(self, tables: Tables, commit: Commit) -> None:
        """A majority gets it at once where no election can take it back, otherwise soon or late."""
        world = self.world
        is_late = world.strikes("late_replica")
        if not is_late and not world.faults.election_every:
            tables.confirm(commit)
            return
        seconds = world.seconds(*(LATE_REPLICA if is_late else REPLICATION))
        world.loop.call_later(seconds, tables.confirm, commit, context=self._replicas.context)

    def _added(self, stream: str, fields: Fields) -> None:
        self.event_rules.added(stream, fields)
        if self.world.strikes("hole"):
            self.event_rules.make_hole(stream, Event.of_fields(fields))

    def database_time(self) -> float:
        """What the primary says the time is, in seconds since 1970."""
        return int((self.world.now + self.primary_is_ahead) * 1000) / 1000

    def _died(self, process: Process) -> None:
        self.ray.died(process)
        for api in self.apis:
            api.died(process)
        for member in self.members:
            member.died(process)


class _Readable(FakeJournal):
    """The journal, as long as the process is not blind."""

    def __init__(self, market: SimulatedMarket, process: Process) -> None:
        super().__init__(market.database, market.tables)
        self._market = market
        self._process = process

    async def existing_keys(self, keys: Collection[str]) -> set[str]:
        if self._market.world.loop.time() < self._market.blind_until.get(self._process.name, 0.0):
            raise StoreUnavailableError("blind")
        return await super().existing_keys(keys)


class SimulatedConnections(Resources):
    """See Connections. Each process has a clock of its own, which is off and runs too fast or too slow."""

    def __init__(self, market: SimulatedMarket, world: World, process: Process) -> None:
        self._market = market
        self._world = world
        self._process = process
        tables, database = market.tables, market.database
        skew = world.faults.skew * (2 * world.random.random() - 1)
        drift = 1 + world.faults.drift * (2 * world.random.random() - 1)
        started = world.loop.time()

        def monotonic() -> float:
            return (world.loop.time() - started) * drift

        self.clock = SharedClock(self._ask_the_time, own=lambda: EPOCH + world.loop.time() + skew, monotonic=monotonic)
        self.journal: FakeJournal | PartitionedJournal
        self.checkpoints: FakeCheckpoints | PartitionedCheckpoints
        if len(market.partitions) == 1:
            self.journal, self.checkpoints = market.partitions[0].journal, market.partitions[0].checkpoints
            self.queries = FakeQueries(database, tables, self.journal)
        else:
            self.journal = PartitionedJournal(market.partitions)
            self.checkpoints = PartitionedCheckpoints(market.partitions)
            self.queries = PartitionedQueries(market.partitions[0], self.journal)
        self.members = Members(_Readable(market, process), monotonic)
        self.documents = FakeDocuments(database, tables)
        self.inbox = FakeInbox(database, tables)
        self.pending_user_events = FakePendingUserEvents(database, tables.accounts)
        self.delisting = FakeDelisting(database, tables)
        self.redis = client_of(market.redis, market.redis_data)
        self.positions = FakePositions(database, tables)
        source = market.settings.public_url
        self.history = JournalHistory(
            self.journal, self.checkpoints, FakeChangedUsers(database, tables.accounts), source
        )
        self.published_events = PublishedEvents(self.history, source)
        self.stream = RedisEventStream(self.redis, self.published_events)

    async def prepare(self) -> None:
        await self._market.database.call("create_indexes", lambda: None)

    def open_account(self, _settings: Settings) -> Account:
        sandbox = self._market.sandbox(self._world.random.randrange(2**32))
        delivery = WebhookDelivery(sandbox, SimulatedEndpoint(self._market.apis[0].accepts))  # type: ignore[arg-type]
        client = SandboxHTTPClient(sandbox, ids=lambda prefix: f"{prefix}_{self._world.new_id()}")
        stripe = connect(api_key=SANDBOX_KEY, api_base=None, http_client=client)
        return Account(stripe, None, sandbox, delivery)

    def mail_duties(self, settings: Settings) -> list[Duty]:
        market = self._market
        mail = MailResources(
            FakeOutbox(market.database, market.mails),
            FakeEmailTokens(market.database, market.mails),
            FakeMailQueries(market.database, market.tables),
            FakeEmailBackend(market.smtp, market.when_mail_arrived),
            self._subscribe,
        )
        return duties(mail, self.clock.now, public_url=settings.public_url)

    def event_duties(self, settings: Settings) -> list[Duty]:
        keeper = EpochKeeper(
            self.redis,
            FakeStreamStates(self._market.database, self._market.tables),
            self.history,
            self.published_events,
            self.clock,
            retention_ms=settings.event_retention_seconds * 1_000,
            max_bytes=MAX_BYTES,
        )
        return [Duty("keep_event_stream", EPOCH_SECONDS, keeper.round)]

    def _subscribe(self, durable: str, subjects: Sequence[str], handle: Handle) -> Callable[[], Awaitable[None]]:
        life = self._process.name.replace("#", "-")
        rules = self._market.event_rules
        rules.subscribed(durable, Subjects(subjects))

        async def handle_and_tell(events: Sequence[Event]) -> None:
            for event in events:
                rules.begins(durable, event)
            await handle(events)
            for event in events:
                rules.ends(durable, event)

        return Consumer(
            durable,
            subjects,
            handle_and_tell,
            life=life,
            redis=self.redis,
            positions=self.positions,
            history=self.history,
        ).run_once

    def end_process(self) -> None:
        self._world.breaks(f"a job of {self._process.name} ended")

    def report(self, event: str, host: str, command: str) -> None:
        self._world.breaks(f"{event}: {command} in {host}: {sys.exception()!r}")

    async def _ask_the_time(self) -> float:
        # MongoDB tells it in whole milliseconds.
        return await self._market.database.call("hello", self._market.database_time)


def settings_of(random: Random, placement: Placement | None = None, partitions: int = 1) -> Settings:
    """A market drawn from a seed: small numbers, so that things meet. `placement` says where tickets live if given.

    Each partition of the journal has hosts of its own.
    """
    drawn = random.random() * (DEDICATED if placement == "dedicated" else 1.0)
    return Settings(
        _env_file=None,
        holdfast_env="test",
        mongodb_url="mongodb://simulated",
        redis_url="redis://simulated",
        jwt_key=SecretStr("a key that only tests know and trust"),
        stripe_key=None,
        reservation_seconds=random.choice((20, 60, 60, 180)),
        offer_seconds=20,
        payment_grace_seconds=random.choice((5, 20)),
        payment_attempts=random.choice((1, 1, 2)),
        max_holds_per_buyer=random.choice((2, 10)),
        ticket_placement=placement or ("dedicated" if drawn < DEDICATED else "shared"),
        dedicated_actors=1 if drawn < DEDICATED / 4 else 3 if drawn < DEDICATED / 2 else 100,
        ticket_actors=partitions * random.choice((1, 2)),
        order_actors=random.choice((1, 2)),
        payment_actors=partitions * random.choice((1, 2)),
        api_replicas=random.choice((1, 2)),
    )
