"""Sellers of a contended market: they change prices while people buy, and replace what is gone."""

import random

from cli.history.operations import Kind
from cli.load.contention.hot_tickets import HotTicket, TicketPool
from cli.load.contention.recording_client import Call, RecordingClient, Response

TITLE = "Hot"
PRICES = (20, 25, 30, 35.5)
OWN_LIST = 100
# How often a seller edits, withdraws, closes the line and reads.
SHARES = (70, 3, 3, 24)
LOOK_AFTERWARDS = 0.4


class Seller:
    """What the processes of one seller share."""

    def __init__(self, pool: TicketPool, name: str, tickets: int, chance: random.Random) -> None:
        self.name = name
        self._pool = pool
        self._chance = chance
        self._being_listed = 0
        pool.of_sellers[name] = [None] * tickets

    async def acts(self, client: RecordingClient) -> None:
        """Do one thing, and perhaps look whether the market shows it."""
        finished = self._pool.take_finished(self.name)
        if finished is not None:
            await self._read(client, finished)
        elif self._pool.is_missing_one(self.name, self._being_listed):
            await self._list(client)
        elif (ticket := self._pool.own_ticket(self.name, self._chance)) is not None:
            ticket.left -= 1
            await self._tend(client, ticket)
        else:
            await self._look(client)

    async def _list(self, client: RecordingClient) -> None:
        self._being_listed += 1
        price = self._chance.choice(PRICES)
        body = {"title": TITLE, "price": price}
        question = Call(Kind.LIST, "POST", "/api/tickets", body, arguments={"price": price}, keyed=True)
        answer = await client.ask(question)
        self._being_listed -= 1
        if answer is not None and answer.is_made:
            self._pool.put(HotTicket(answer.fields["id"], self.name, price))

    async def _tend(self, client: RecordingClient, ticket: HotTicket) -> None:
        (does,) = self._chance.choices((self._edit, self._withdraw, self._close_the_line, self._read), SHARES)
        answer = await does(client, ticket)
        if answer is not None and answer.is_success and self._chance.random() < LOOK_AFTERWARDS:
            await self._look(client)

    async def _withdraw(self, client: RecordingClient, ticket: HotTicket) -> Response | None:
        path = f"/api/tickets/{ticket.id}"
        answer = await client.ask(Call(Kind.WITHDRAW, "DELETE", path, ticket=ticket.id))
        if answer is not None and answer.is_success:
            ticket.ends()
        return answer

    async def _close_the_line(self, client: RecordingClient, ticket: HotTicket) -> Response | None:
        path = f"/api/tickets/{ticket.id}/waiting/close"
        return await client.ask(Call(Kind.CLOSE_LINE, "POST", path, ticket=ticket.id))

    async def _read(self, client: RecordingClient, ticket: HotTicket) -> Response | None:
        return await client.ask(_reading(ticket))

    async def _edit(self, client: RecordingClient, ticket: HotTicket) -> Response | None:
        price = self._chance.choice(PRICES)
        body = {"title": TITLE, "price": price}
        path = f"/api/tickets/{ticket.id}"
        answer = await client.ask(Call(Kind.EDIT, "PUT", path, body, ticket=ticket.id, arguments={"price": price}))
        if answer is not None and answer.is_made:
            ticket.price = price
        return answer

    async def _look(self, client: RecordingClient) -> None:
        path = f"/api/tickets?seller=me&limit={OWN_LIST}"
        await client.ask(Call(Kind.OWN_TICKETS, "GET", path, arguments={"limit": OWN_LIST}))


def _reading(ticket: HotTicket) -> Call:
    return Call(Kind.READ_TICKET, "GET", f"/api/tickets/{ticket.id}", ticket=ticket.id)
