"""One simulation: a market, its people and its nemesis, drawn from one seed; then calm, and a look at everything."""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from time import process_time
from unittest.mock import patch

from actors.domain import unpaid_holds
from actors.domain.ticket_values import OrderStatus, TicketStatus
from actors.payments.reconciliation import check
from actors.read_model.projections import LARGEST_LAG
from actors.runtime.ports import Checkpoint, Commit
from holdfast.events import reading
from tests.simulation.database import Tables
from tests.simulation.delisting_rules import not_as_their_sellers
from tests.simulation.faults import REPLACING, Faults, drawn, with_changes, with_losses
from tests.simulation.invariants import Invariants
from tests.simulation.ledgers import ledgers_of
from tests.simulation.mail_rules import MailRules
from tests.simulation.market import Placement, SimulatedMarket, settings_of
from tests.simulation.moderator import Moderator
from tests.simulation.money import Money
from tests.simulation.nemesis import Nemesis
from tests.simulation.onlookers import Onlookers
from tests.simulation.partitions import is_claim, routed
from tests.simulation.people import People
from tests.simulation.replies import Replies
from tests.simulation.waiters import Waiters
from tests.simulation.world import BrokenError, World, lines

COMMANDS = 120
MOST_STEPS = 3_000_000
# Within so many seconds after the last fault everything that was begun has ended, besides the time that holds have.
SETTLING_SECONDS = 300.0
LOOK_EVERY = 5.0
# A hold whose host is gone is found 10 s after its end, and asked for again a minute later.
RECOVERY_SECONDS = 90.0
LATEST_SECONDS = 20.0
# People in line are few: as many offers of a ticket may follow each other when nobody takes one.
OFFERS_SECONDS = 5 * 20.0
# How many of the markets have an administrator.
MODERATED = 0.3
# In how many of the markets people stand in line.
WAITED = 0.5
# How many of the markets have a fee, which is changed while they run.
CHARGED = 0.5
# How many members the group of other people's consumers has, where there is one.
MEMBERS = (2, 3)
# How long readers of events wait for more: longer than outside, where nobody counts what the idle ones ask.
WAIT_MS = 5_000
# In so few seconds nothing is trimmed that came in them.
CAUGHT_UP_SECONDS = 10.0
FEES = (Decimal("8.5"), Decimal(0), Decimal("2.75"), Decimal("12.33"))

Sabotage = Callable[[SimulatedMarket], AbstractContextManager[None]]


@dataclass(slots=True)
class Outcome:
    """What came of a seed. `broken` says which rule was broken, None when none was."""

    seed: int
    kinds: tuple[str, ...]
    broken: str | None = None
    steps: int = 0
    commands: int = 0
    simulated: float = 0.0
    elapsed: float = 0.0
    settling: float = 0.0
    fingerprint: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    sold: int = 0
    trace: list[str] = field(default_factory=list)


def simulate(  # noqa: PLR0913 - all that a simulation may be asked
    seed: int,
    *,
    commands: int = COMMANDS,
    faults: Faults | None = None,
    sabotage: Sabotage = lambda _: nullcontext(),
    pace: float | None = None,
    placement: Placement | None = None,
    partitions: int = 1,
    traced: bool = False,
) -> Outcome:
    """Runs the seed, with a command every `pace` seconds on average and tickets in one `placement` if that is given.

    The journal is in so many `partitions`.

    The same seed does the same again, in a process with the same PYTHONHASHSEED.
    """
    began = process_time()
    random = Random(seed)  # noqa: S311 - to have the same again
    # Apart, so that the other faults of a seed stay as they were before events could be lost.
    losses = Random(seed + 2)  # noqa: S311 - as above
    changes = Random(seed + 3)  # noqa: S311 - as above
    plan = with_losses(drawn(random), losses) if faults is None else faults
    if faults is None and partitions == 1:  # with several each partition has hosts of its own, which stay
        plan = with_changes(plan, changes)
    world = World(seed, plan)
    market = SimulatedMarket(world, settings_of(random, placement, partitions), partitions)
    if plan.member_every:
        market.add_members(losses.choice(MEMBERS))
    run = _Run(world, market, random, commands, pace)
    # In some markets as few as make people meet the limit within the minutes of a simulation.
    most_unpaid = random.choice((4, 30))
    outcome = Outcome(seed, plan.kinds)
    # Memory is collected by counting references alone: when cycles are, is not for a seed to decide.
    gc.disable()
    try:
        with (
            patch.object(unpaid_holds, "MOST_OF_A_BUYER", most_unpaid),
            patch.multiple(reading, WAIT_MS=WAIT_MS, _CAUGHT_UP_SECONDS=CAUGHT_UP_SECONDS),
            routed(partitions),
            sabotage(market),
        ):
            world.loop.run_until_done(world.loop.process("people").run(run.everything(), "everything"), MOST_STEPS)
    except (BrokenError, TimeoutError) as error:
        outcome.broken = str(error)
    finally:
        world.loop.close()
        gc.enable()
        gc.collect()
    outcome.steps, outcome.simulated = world.loop.steps, world.loop.time()
    outcome.commands, outcome.told = run.people.asked, run.people.told
    outcome.faults, outcome.checks = Counter(world.counts), run.invariants.checks
    outcome.checks["mails"], outcome.checks["payments"] = run.mail_rules.checks, run.money.checks
    outcome.checks += market.event_rules.checks
    outcome.sold, outcome.settling = len(run.invariants.bought), run.settling
    outcome.fingerprint = hash(tuple((at, who, what) for at, who, what, _ in world.trace))
    if traced:
        outcome.trace = lines(world.trace)
    outcome.elapsed = process_time() - began
    return outcome


class _Run:
    def __init__(
        self, world: World, market: SimulatedMarket, random: Random, commands: int, pace: float | None
    ) -> None:
        self.settling = 0.0
        self._world = world
        self._market = market
        self._commands = commands
        settings = market.settings
        self.invariants = Invariants(world, settings.payment_grace_ms, settings.max_holds_per_buyer)
        is_dedicated = settings.ticket_placement == "dedicated"
        # Elsewhere a host answers from memory, which is behind when another one was taken for it.
        is_exact = is_dedicated or not set(world.faults.kinds) & REPLACING
        replies = Replies(self.invariants, market.tables, market.ledger, reads_are_exact=is_exact)
        sellers = [world.new_id() for _ in range(random.randint(1, 2))]
        buyers = [world.new_id() for _ in range(random.randint(2, 5))]
        think = random.choice((0.5, 2.0, 6.0)) if pace is None else pace * len(sellers + buyers)
        self.people = People(market, replies, sellers, buyers, think)
        # Drawn last: the other seeds stay as they were before there were administrators.
        self.moderator = Moderator(self.people, "a" * 24) if random.random() < MODERATED else None
        self.waiters = Waiters(self.people) if random.random() < WAITED else None
        self.onlookers = Onlookers(self.people) if world.faults.change_every else None
        if random.random() < CHARGED:
            market.ray.fees = self.invariants.fees = FEES
        self.invariants.lines.barred = market.tables.accounts.barred = set(buyers[2:3])
        self.invariants.lines.offer_window_ms = settings.offer_window_ms
        self.mail_rules = MailRules(
            world, market.mails, self.invariants.history, self.invariants.tolerance, market.tables.accounts.closed
        )
        for partition in market.partitions:
            partition.tables.when_committed = self._committed
        market.tables.when_written = self.invariants.written
        market.mails.when_done = self.mail_rules.dropped
        market.when_mail_arrived = self.mail_rules.arrives
        self.money = Money(world, self.invariants.history, self.invariants.prices, self.invariants.bought)
        market.ledger.when_saved = self.money.paid

    def _committed(self, commit: Commit) -> None:
        if is_claim(commit.writer):
            return  # nothing happened
        self.invariants.committed_to(commit)
        self._market.event_rules.committed_to(commit)
        for record in commit.records:
            self.mail_rules.recorded(record)

    async def everything(self) -> None:
        """Raises BrokenError with the first rule that was broken."""
        work = asyncio.create_task(self._work())
        while not work.done():
            await asyncio.wait([work], timeout=1.0)
            if self._world.broken is not None:
                raise self._world.broken
        work.result()
        if self._world.broken is not None:
            raise self._world.broken

    async def _work(self) -> None:
        market, world = self._market, self._world
        market.start()
        for user_id in (*self.people.sellers, *self.people.buyers):
            market.tables.accounts.add(user_id, int(world.now * 1000))
            market.mails.add([self.mail_rules.signed_up(user_id)])
        nemesis = Nemesis(market)
        nemesis.lapsed = self.money.lapsed.add
        fated = world.loop.process("nemesis").run(nemesis.run(), "nemesis")
        moderation = [self.moderator.moderate()] if self.moderator is not None else []
        waiting = [self.waiters.wait()] if self.waiters is not None else []
        looking = [self.onlookers.look()] if self.onlookers is not None else []
        await asyncio.gather(self.people.trade(self._commands), *moderation, *waiting, *looking)
        if self.moderator is not None:
            await self.moderator.see_somebody_leave()
        await nemesis.end()
        fated.cancel()
        calm = world.loop.time()
        await self._settle()
        self.settling = world.loop.time() - calm
        self._look_at_everything()

    async def _settle(self) -> None:
        """Progress: when faults stop, everything that is pending ends."""
        settings = self._market.settings
        most = SETTLING_SECONDS + settings.reservation_seconds + settings.payment_grace_seconds + OFFERS_SECONDS
        deadline = self._world.loop.time() + most
        while pending := self._pending():
            if self._world.loop.time() > deadline:
                raise BrokenError(f"not ended within {most:.0f} s: {', '.join(pending[:5])}")
            self._look_for_late_holds()
            await asyncio.sleep(LOOK_EVERY)

    def _look_for_late_holds(self) -> None:
        """Every hold ends by its time, once the Supervisor has had time to find those that lost their host."""
        if self._world.loop.time() < self._world.calm_since + RECOVERY_SECONDS:
            return
        late = int((self._world.now - LATEST_SECONDS) * 1000)
        for place in self.invariants.places.values():
            if place.hold is not None and not place.hold.is_bought and place.hold.ends < late:
                raise BrokenError(f"the hold of {place.hold.order_id} did not end in its time")

    def _pending(self) -> list[str]:
        tables, history = self._market.tables, self.invariants.history
        found = [
            f"order {one.entity.id}"
            for one in tables.documents["orders"].values()
            if one.entity.is_open or one.entity.has_pending_money
        ]
        holds = (place.hold for place in self.invariants.places.values())
        found += [f"hold {hold.order_id}" for hold in holds if hold and (hold.is_refunding or not hold.is_bought)]
        found += [
            f"charge {one.entity.id}" for one in tables.documents["charges"].values() if one.entity.has_pending_money
        ]
        found += [f"webhook event {event_id}" for event_id in tables.unhandled]
        found += [f"user {user_id}" for user_id in tables.accounts.pending]
        found += not_as_their_sellers(self.invariants.places, tables.accounts)
        found += self.mail_rules.pending()
        found += self._market.event_rules.pending()
        found += [
            f"writer {writer}"
            for partition in self._market.partitions
            for writer in partition.tables.writers
            if self._is_behind(partition.tables, writer)
        ]
        for kind, versions in (("orders", history.orders), ("charges", history.charges)):
            stored = tables.documents[kind]
            found += [
                f"document {one}"
                for one, states in versions.items()
                if one not in stored or stored[one].entity != states[-1]
            ]
        return found

    def _is_behind(self, tables: Tables, writer: str) -> bool:
        """Whether some of its commits are not relayed. The Supervisor's own are as soon as they are there.

        Nobody reads of changes of the membership but in the journal.
        """
        last = max(tables.writers[writer])
        nothing = Checkpoint(writer, "", 0, 0, 0)
        checkpoint = tables.checkpoints.get(writer) or tables.last_checkpoints.get(writer, nothing)
        is_relayed = checkpoint.applied >= last and checkpoint.published >= last
        return not (is_relayed or writer.startswith(("supervisor", "membership")) or is_claim(writer))

    def _look_at_everything(self) -> None:
        tables, invariants = self._market.tables, self.invariants
        report = check(ledgers_of(self._market.partitions, self._market.ledger), int(self._world.now * 1000))
        if report.violations:
            raise BrokenError(f"the ledgers: {sorted(str(one) for one in report.violations)[:3]}")
        taken = sum(intent.amount_received - intent.amount_refunded for intent in self._market.ledger.all_intents)
        sold = sum(
            states[-1].price
            for states in invariants.history.orders.values()
            if states[-1].status is OrderStatus.COMPLETE
        )
        if taken != sold:
            raise BrokenError(f"{taken} cents were kept for orders of {sold}")
        for intent in self._market.ledger.all_intents:
            if intent.status == "requires_capture":
                raise BrokenError(f"the authorisation {intent.id} was left open")
        for ticket_id, states in invariants.history.tickets.items():
            stored = tables.documents["tickets"].get(ticket_id)
            lag = len(states) - (stored.entity.version if stored else 0)
            if lag > LARGEST_LAG or (lag and states[-1].status is TicketStatus.SOLD):
                raise BrokenError(f"the document of ticket {ticket_id} is {lag} versions behind")
