"""A market that keeps what it was asked for."""

from actors.domain.answers import PaymentAnswer
from actors.domain.purchase_commands import ResumePurchase
from actors.domain.refusals import Refusal, Unavailable
from tests.support.local_market import LocalMarket


class Recording:
    """Has purchases go on and keeps what it was asked for. With `answer` it answers that and does nothing."""

    def __init__(self, market: LocalMarket | None = None, answer: Refusal | None = None) -> None:
        self.asked: list[ResumePurchase] = []
        self._market = market
        self._answer = answer or Unavailable()

    async def resume(self, command: ResumePurchase) -> PaymentAnswer | Refusal:
        self.asked.append(command)
        return await self._market.resume(command) if self._market else self._answer
