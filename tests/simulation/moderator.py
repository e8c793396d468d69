"""The administrator of a simulation: shuts sellers out and lets them in again, and gives buyers their money back."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from actors.domain.instants import Instant
from actors.domain.purchase_commands import RefundOrder
from actors.supervision.delisting import Delisting
from tests.simulation.api import Api
from tests.simulation.people import People

SWEEP_SECONDS = 2.0


@dataclass
class Sellers:
    """Who may not sell, or may again, and the documents of their tickets; see delisting.DelistingStore."""

    people: People
    banned: dict[str, Instant] = field(default_factory=dict)
    let_in: dict[str, Instant] = field(default_factory=dict)

    async def unlisted(self, _most: int) -> Mapping[str, Instant]:
        return dict(self.banned)

    async def relisted(self, _most: int) -> Mapping[str, Instant]:
        return dict(self.let_in)

    async def tickets(self, seller_id: str, most: int, *, suspended: bool) -> Sequence[str]:
        database, tables = self.people.market.database, self.people.market.tables
        stored = await database.call("tickets", lambda: list(tables.documents["tickets"].values()))
        tickets = [one.entity for one in stored if one.entity.seller_id == seller_id and not one.entity.withdrawn]
        return [ticket.id for ticket in tickets if ticket.suspended is suspended][:most]

    async def clear_delisted(self, user_id: str, since: Instant) -> None:
        """They are looked at for as long as the simulation lasts."""

    async def clear_relisted(self, user_id: str, since: Instant) -> None:
        """As above."""


@dataclass
class Moderator:
    """Does now and then what an administrator does; the Supervisor's sweep comes every two seconds, if it comes."""

    people: People
    id: str

    async def moderate(self) -> None:
        """Go on for as long as people trade."""
        people, world = self.people, self.people.market.world
        sellers = Sellers(people)
        while people.asked < people.most:
            await asyncio.sleep(world.random.expovariate(1 / SWEEP_SECONDS))
            seller, wish = world.random.choice(people.sellers), world.random.random()
            if wish < 0.2:
                sellers.let_in.pop(seller, None)
                sellers.banned.setdefault(seller, 0)
            elif wish < 0.4 and sellers.banned.pop(seller, None) is not None:
                sellers.let_in[seller] = 0
            elif wish < 0.5 and (order_id := people.some_sale(seller)) is not None:
                await people.refund(RefundOrder(order_id, self.id, is_admin=True))
            await people.request(lambda api: self._sweep(sellers, api))

    async def _sweep(self, sellers: Sellers, api: Api) -> None:
        await Delisting(sellers, api.actors, api.connections.clock.now).sweep()
