"""The plan of faults as this process knows it, and the dice."""

from collections.abc import Callable
from random import Random

from actors.stripe.sandbox.faults import FaultPlan
from actors.stripe.sandbox.ledger import Ledger, LedgerUnavailable

READ_EVERY_SECONDS = 1.0
NO_FAULTS = FaultPlan()


class FaultInjector:
    """Reads the ledger's plan at most once a second, so that every process follows when it is switched on or off."""

    def __init__(self, ledger: Ledger, now: Callable[[], float], random: Random) -> None:
        self._ledger = ledger
        self._now = now
        self._random = random
        self._plan = NO_FAULTS
        self._read_at: float | None = None

    async def plan(self) -> FaultPlan:
        """The plan in force; the last one known while the ledger is away."""
        now = self._now()
        if self._read_at is not None and abs(now - self._read_at) < READ_EVERY_SECONDS:
            return self._plan
        # Set before the await: requests that come meanwhile go on with the plan before.
        self._read_at = now
        try:
            plan = await self._ledger.faults() or NO_FAULTS
        except LedgerUnavailable:
            return self._plan
        if plan != self._plan and plan.seed is not None:
            self._random.seed(plan.seed)
        self._plan = plan
        return plan

    def strikes(self, probability: float) -> bool:
        """Whether a fault of this probability happens now."""
        return self._random.random() < probability

    def seconds(self, at_most: float) -> float:
        """A random time."""
        return self._random.uniform(0, at_most)
