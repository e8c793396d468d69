"""The tickets of those who may not sell any more, banned or gone, are withdrawn, also when a hold on one runs out."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from actors.domain.messages import Instant, Refusal, WithdrawTicket
from actors.market import Market
from actors.runtime.ports import StoreUnavailableError

EVERY_SECONDS = 2.0
PAGE = 1_000
# A session is over by then on every replica, and with it the last listing that was on its way; and so is any hold.
WATCHED_MS = 3_600_000

logger = structlog.get_logger(__name__)


class UnlistingStore(Protocol):
    """Who is to be unlisted, and what they have for sale. All methods raise StoreUnavailableError."""

    async def unlisted(self, most: int) -> Mapping[str, Instant]:
        """Return users who may not sell, and since when."""

    async def for_sale(self, seller_id: str, most: int) -> Sequence[str]:
        """Return ids of a seller's tickets that are neither sold nor withdrawn."""

    async def is_unlisted(self, user_id: str, since: Instant) -> None:
        """Note that nothing of theirs will be for sale again, unless they were marked anew since."""


class Unlisting:
    """Looks every two seconds for an hour: what is held now may be for sale again later."""

    def __init__(self, store: UnlistingStore, market: Market, now: Callable[[], Instant]) -> None:
        self._store = store
        self._market = market
        self._now = now

    async def run(self) -> None:
        """Withdraw until cancelled."""
        while True:
            try:
                await self.sweep()
            except StoreUnavailableError as error:
                logger.warning("unlisting_postponed", error=str(error))
            await asyncio.sleep(EVERY_SECONDS)

    async def sweep(self) -> None:
        """Withdraw what can be withdrawn. Raises StoreUnavailableError."""
        for user_id, since in (await self._store.unlisted(PAGE)).items():
            ids = await self._store.for_sale(user_id, PAGE)
            commands = [WithdrawTicket(ticket_id, user_id) for ticket_id in ids]
            answers = await asyncio.gather(*map(self._market.ask_ticket, commands))
            withdrawn = sum(not isinstance(answer, Refusal) for answer in answers)
            if withdrawn:
                logger.info("tickets_withdrawn", seller=user_id, tickets=withdrawn)
            if not ids and self._now() - since > WATCHED_MS:
                await self._store.is_unlisted(user_id, since)
