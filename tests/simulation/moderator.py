"""The administrator of a simulation: shuts sellers out and lets them in again, and gives buyers their money back."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from actors.domain.instants import Instant
from actors.domain.purchase_commands import RefundOrder
from actors.supervision.delisting import Delisting
from tests.simulation.api import Api
from tests.simulation.people import People

EVERY_SECONDS = 2.0
# How often a seller closes their account in the end.
LEAVES = 0.3


@dataclass
class Moderator:
    """Does now and then what an administrator does. A replica delists at once, the Supervisor makes sure of it."""

    people: People
    id: str

    async def moderate(self) -> None:
        """Go on for as long as people trade."""
        people, world = self.people, self.people.market.world
        accounts = people.market.tables.accounts
        while people.asked < people.most:
            await asyncio.sleep(world.random.expovariate(1 / EVERY_SECONDS))
            seller, wish = world.random.choice(people.sellers), world.random.random()
            if wish < 0.2:
                await self._change(accounts.ban, seller)
            elif wish < 0.4:
                await self._change(accounts.unban, seller)
            elif wish < 0.5 and (order_id := people.some_sale(seller)) is not None:
                await people.refund(RefundOrder(order_id, self.id, is_admin=True))

    async def see_somebody_leave(self) -> None:
        """A seller may close their account, and what they have listed goes with it."""
        people, world = self.people, self.people.market.world
        if world.random.random() < LEAVES:
            await self._change(people.market.tables.accounts.close, world.random.choice(people.sellers))

    async def _change(self, change: Callable[[str, Instant], bool], seller: str) -> None:
        await self.people.request(lambda api: self._change_by(api, change, seller))

    async def _change_by(self, api: Api, change: Callable[[str, Instant], bool], seller: str) -> None:
        """As serve_app does: what changed is stored, and then the tickets of who may not sell are delisted."""
        own, market = api.connections, self.people.market
        changed = await market.database.call("users.change", lambda: change(seller, own.clock.now()))
        if changed and seller in market.tables.accounts.unlisted_since:
            await Delisting(own.delisting, api.actors, own.clock.now).suspend_at_once(seller)
