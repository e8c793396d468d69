"""The tickets of those who may not sell any more, banned or gone, are taken off the market, also those that are held.

What nobody holds is withdrawn at once. What is held or sold is marked in its own stream, and so withdrawn in the very
commit that releases it. Who takes the right to sell away has it done at once; the sweep makes sure.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from actors.cluster.market import MarketClient
from actors.domain.instants import Instant
from actors.domain.refusals import Refusal
from actors.domain.ticket_commands import ReinstateTicket, SuspendTicket
from actors.runtime.ports import StoreUnavailableError

EVERY_SECONDS = 2.0
PAGE = 1_000
# Somebody waits for these.
MOST_AT_ONCE = 200
AT_ONCE_SECONDS = 1.0
# A session is over by then on every replica, and with it the last listing that was on its way.
WATCHED_MS = 3_600_000

logger = structlog.get_logger(__name__)


class DelistingStore(Protocol):
    """Who may not sell, or may again, and what they have. All methods raise StoreUnavailableError."""

    async def unlisted(self, most: int) -> Mapping[str, Instant]:
        """Return users who may not sell, and since when."""

    async def relisted(self, most: int) -> Mapping[str, Instant]:
        """Return users who may sell again, and since when."""

    async def tickets(self, seller_id: str, most: int, *, suspended: bool) -> Sequence[str]:
        """Return ids of a seller's tickets that are not withdrawn, flagged as suspended or not."""

    async def clear_delisted(self, user_id: str, since: Instant) -> None:
        """Note that nothing of theirs will be for sale again, unless they were marked anew since."""

    async def clear_relisted(self, user_id: str, since: Instant) -> None:
        """Note that no ticket of theirs has the flag any more, unless they were banned since."""


class Delisting:
    """Looks every two seconds, for an hour after the last change of a person's right to sell."""

    def __init__(self, store: DelistingStore, market: MarketClient, now: Callable[[], Instant]) -> None:
        self._store = store
        self._market = market
        self._now = now

    async def sweep(self) -> None:
        """Withdraw or flag tickets of sellers who may not sell, and clear the flags of those who may again.

        Raises StoreUnavailableError.
        """
        for user_id, since in (await self._store.unlisted(PAGE)).items():
            ids = await self._suspend(user_id, PAGE)
            if not ids and self._now() - since > WATCHED_MS:
                await self._store.clear_delisted(user_id, since)
        for user_id, since in (await self._store.relisted(PAGE)).items():
            ids = await self._store.tickets(user_id, PAGE, suspended=True)
            await self._ask("tickets_reinstated", user_id, [ReinstateTicket(ticket_id) for ticket_id in ids])
            if not ids and self._now() - since > WATCHED_MS:
                await self._store.clear_relisted(user_id, since)

    async def suspend_at_once(self, user_id: str) -> None:
        """Withdraw or flag up to 200 tickets of somebody who may not sell any more, for a second at most.

        Raises nothing: what is left is done by a sweep.
        """
        try:
            async with asyncio.timeout(AT_ONCE_SECONDS):
                await self._suspend(user_id, MOST_AT_ONCE)
        except (StoreUnavailableError, TimeoutError) as error:
            logger.warning("delisting_postponed", seller=user_id, error=type(error).__name__)

    async def _suspend(self, user_id: str, most: int) -> Sequence[str]:
        ids = await self._store.tickets(user_id, most, suspended=False)
        await self._ask("tickets_suspended", user_id, [SuspendTicket(ticket_id) for ticket_id in ids])
        return ids

    async def _ask(self, done: str, user_id: str, commands: Sequence[SuspendTicket | ReinstateTicket]) -> None:
        answers = await asyncio.gather(*map(self._market.ask_ticket, commands))
        changed = sum(not isinstance(answer, Refusal) for answer in answers)
        if changed:
            logger.info(done, seller=user_id, tickets=changed)
