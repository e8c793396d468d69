"""A ticket and its own actor, from the first reservation to the end: the market's own classes on a virtual clock."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from actors.cluster import names
from actors.domain.refusals import AlreadyReserved, NotFound, PriceChanged, Refusal
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CancelOrder, CreateTicket, ReadTicket, Reserve, TicketCommand
from actors.domain.ticket_events import OrderExpired
from actors.domain.ticket_values import OrderStatus, TicketStatus
from actors.processes.ticket_actor import IDLE_SECONDS, TicketActor
from tests.simulation.actors import NOTICING, STARTING
from tests.simulation.faults import CALM
from tests.simulation.market import SimulatedMarket, settings_of
from tests.simulation.world import World
from tests.support.examples import DETAILS, SELLER
from tests.support.trading import expect

STEPS = 500_000
WINDOW = 180_000
STARTED_SECONDS = 30.0
ENDED_SECONDS = 2 * IDLE_SECONDS

Deed = Callable[["Dedicated"], Awaitable[None]]


class Dedicated:
    """A market without faults in which tickets get actors of their own."""

    def __init__(self, market: SimulatedMarket) -> None:
        self.market = market

    async def ask(self, command: TicketCommand) -> TicketAnswer | Refusal:
        """As an Api replica does, which remembers what it heard."""
        return await self.market.apis[0].request(lambda api: api.actors.ask_ticket(command))

    async def listed(self) -> str:
        ticket_id = self.market.world.new_id()
        expect(TicketAnswer, await self.ask(CreateTicket(ticket_id, SELLER, DETAILS)))
        return ticket_id

    async def held(self, ticket_id: str, window: int = WINDOW) -> str:
        hold = Reserve(ticket_id, self.market.world.new_id(), self.market.world.new_id(), window)
        expect(TicketAnswer, await self.ask(hold))
        return hold.order_id

    async def moved(self, window: int = WINDOW) -> str:
        """A ticket that is held and has its own actor."""
        ticket_id = await self.listed()
        await self.held(ticket_id, window)
        await self.until(lambda: self.has_moved(ticket_id), STARTED_SECONDS)
        return ticket_id

    def has_moved(self, ticket_id: str) -> bool:
        """Whether its shared host sends callers to its own actor."""
        return any(ticket_id in one._moved for shared in self.shared if (one := shared._dedicated) is not None)

    @property
    def shared(self) -> list[TicketActor]:
        newest = [slot.newest for name, slot in self.market.ray.slots.items() if name.startswith(names.TICKETS)]
        return [one.actor for one in newest if one is not None and isinstance(one.actor, TicketActor)]

    def actor(self, ticket_id: str) -> TicketActor:
        """Its own."""
        newest = self.market.ray.slots[names.dedicated(ticket_id)].newest
        assert newest is not None
        return expect(TicketActor, newest.actor)

    @property
    def own(self) -> set[str]:
        """The tickets that have an actor."""
        return {names.ticket_of(name) for name in self.market.ray.slots if names.is_dedicated(name)}

    async def until(self, holds: Callable[[], bool], seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.1)

    def kill(self, ticket_id: str) -> None:
        slot = self.market.ray.slots[names.dedicated(ticket_id)]
        assert slot.newest is not None
        self.market.world.kill(slot.newest.process)


def play(deed: Deed, **settings: int) -> None:
    world = World(1, CALM)
    drawn = settings_of(Random(1), "dedicated")  # noqa: S311 - to have the same again
    market = SimulatedMarket(world, drawn.model_copy(update={"dedicated_actors": 100, "ticket_actors": 2, **settings}))
    process = world.loop.process("people")

    async def played() -> None:
        market.start()
        await deed(Dedicated(market))

    try:
        world.loop.run_until_done(process.run(played(), "play"), STEPS)
    finally:
        world.loop.close()
    assert world.broken is None


# Starting


def test_a_ticket_is_served_by_its_shared_host_until_its_own_actor_has_started() -> None:
    async def deed(market: Dedicated) -> None:
        loop = market.market.world.loop
        ticket_id = await market.listed()
        began = loop.time()
        order_id = await market.held(ticket_id)
        await market.until(lambda: ticket_id in market.own, STARTED_SECONDS)
        # A process takes half a second at least; meanwhile the ticket is let go and held again.
        expect(TicketAnswer, await market.ask(CancelOrder(ticket_id, order_id)))
        again = await market.held(ticket_id)
        assert loop.time() - began < STARTING[0]
        await market.until(lambda: market.has_moved(ticket_id), STARTED_SECONDS)
        now = expect(TicketAnswer, await market.ask(ReadTicket(ticket_id)))
        assert now.order is not None
        assert now.order.id == again
        assert market.actor(ticket_id).counters.messages > 0

    play(deed)


def test_the_shared_host_forgets_a_ticket_that_moved_and_its_own_actor_ends_the_hold_in_time() -> None:
    async def deed(market: Dedicated) -> None:
        ticket_id = await market.moved()
        await asyncio.sleep(1)
        assert all(shared._host._cache.get(ticket_id) is None for shared in market.shared)
        assert not any(shared._host.timers._armed for shared in market.shared)
        assert market.actor(ticket_id)._host.timers._armed
        await asyncio.sleep(WINDOW / 1000 + 1)
        order = next(one.entity for one in market.market.tables.documents["orders"].values())
        assert order.status is OrderStatus.CANCELLED

    play(deed)


def test_only_an_accepted_reservation_starts_an_actor() -> None:
    async def deed(market: Dedicated) -> None:
        new_id, ticket_id = market.market.world.new_id, await market.listed()
        unknown = Reserve(new_id(), new_id(), new_id(), WINDOW)
        assert await market.ask(unknown) == NotFound()
        dear = Reserve(ticket_id, new_id(), new_id(), WINDOW, expected_price=1)
        expect(PriceChanged, await market.ask(dear))
        expect(TicketAnswer, await market.ask(ReadTicket(ticket_id)))
        await asyncio.sleep(STARTED_SECONDS)
        assert market.own == set()

    play(deed)


def test_no_more_actors_are_started_than_allowed_and_the_other_tickets_stay_where_they_are() -> None:
    async def deed(market: Dedicated) -> None:
        tickets = [await market.listed() for _ in range(12)]
        orders = [await market.held(ticket_id) for ticket_id in tickets]
        await market.until(lambda: sum(map(market.has_moved, tickets)) == 3, STARTED_SECONDS)
        await asyncio.sleep(STARTED_SECONDS)
        assert len(market.own) == 3
        for ticket_id, order_id in zip(tickets, orders, strict=True):
            expect(TicketAnswer, await market.ask(CancelOrder(ticket_id, order_id)))

    play(deed, dedicated_actors=3)


def test_with_none_allowed_every_ticket_stays_with_its_shared_host() -> None:
    async def deed(market: Dedicated) -> None:
        await market.held(await market.listed())
        await asyncio.sleep(STARTED_SECONDS)
        assert market.own == set()

    play(deed, dedicated_actors=0)


# Going back


def test_when_its_own_actor_dies_a_ticket_is_served_at_once_and_moves_again() -> None:
    async def deed(market: Dedicated) -> None:
        loop = market.market.world.loop
        ticket_id = await market.moved()
        expect(TicketAnswer, await market.ask(ReadTicket(ticket_id)))
        market.kill(ticket_id)
        began = loop.time()
        answer = await market.ask(
            Reserve(ticket_id, market.market.world.new_id(), market.market.world.new_id(), WINDOW)
        )
        assert answer == AlreadyReserved()
        # As soon as the death was noticed.
        assert loop.time() - began < 2 * NOTICING[1]
        await market.until(lambda: market.has_moved(ticket_id), STARTED_SECONDS)

    play(deed)


def test_a_new_shared_host_sends_callers_to_the_actors_that_are_there() -> None:
    async def deed(market: Dedicated) -> None:
        tickets = [await market.moved() for _ in range(3)]
        for shared in market.shared:
            market.market.world.kill(market.market.ray.slots[shared.name].newest.process)  # type: ignore[union-attr]
        await market.until(lambda: not any(map(market.has_moved, tickets)), STARTED_SECONDS)
        await market.until(lambda: all(map(market.has_moved, tickets)), STARTED_SECONDS)
        assert len(market.own) == 3

    play(deed)


def test_an_idle_actor_ends_leaves_nothing_to_look_after_and_its_ticket_is_served_all_the_same() -> None:
    async def deed(market: Dedicated) -> None:
        tables, ticket_id = market.market.tables, await market.moved()
        writer = market.actor(ticket_id).writer
        assert writer in tables.checkpoints
        expect(TicketAnswer, await market.ask(ReadTicket(ticket_id)))
        await asyncio.sleep(IDLE_SECONDS / 2)
        assert ticket_id in market.own
        await market.until(lambda: ticket_id not in market.own, ENDED_SECONDS)
        assert writer not in tables.checkpoints
        now = expect(TicketAnswer, await market.ask(ReadTicket(ticket_id)))
        assert now.order is not None
        assert now.ticket.status is TicketStatus.RESERVED
        expect(TicketAnswer, await market.ask(CancelOrder(ticket_id, now.order.id)))
        await market.held(ticket_id)
        await asyncio.sleep(STARTED_SECONDS)
        assert market.has_moved(ticket_id)

    play(deed)


@pytest.mark.parametrize(("window", "is_killed"), [(WINDOW, False), (30_000, True)])
def test_a_hold_whose_own_actor_ended_or_died_expires_in_time(window: int, *, is_killed: bool) -> None:
    async def deed(market: Dedicated) -> None:
        ticket_id = await market.moved(window)
        if is_killed:
            await asyncio.sleep(window / 1000 - STARTED_SECONDS / 4)
            market.kill(ticket_id)
        else:
            await market.until(lambda: ticket_id not in market.own, ENDED_SECONDS)
        await asyncio.sleep(window / 1000)
        (order,) = (one.entity for one in market.market.tables.documents["orders"].values())
        assert order.status is OrderStatus.CANCELLED
        (expired,) = (
            record
            for commit in market.market.tables.commits.values()
            for record in commit.records
            if isinstance(record.event, OrderExpired)
        )
        assert 0 <= expired.at - order.created_at - window < 5_000

    play(deed)
