"""The metrics of what the market relies on: its servers, its consumers of events, and money that is on its way."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from actors.metrics import registry
from actors.metrics.emitter import Sample
from actors.metrics.registry import GROUPS, OTHER
from actors.storage.schema import SCHEMA
from holdfast.events import GroupStatus

EVERY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Money:
    """Purchases and refunds that somebody may have to look at."""

    oldest_unsettled_seconds: float
    stuck_purchases: int
    failed_refunds: int


@dataclass(frozen=True, slots=True)
class ServerState:
    """What is known of the servers; `money` and `groups` are None while the server that knows them is away."""

    money: Money | None = None
    groups: Sequence[GroupStatus] | None = None
    webhook_tries: Mapping[str, int] = field(default_factory=dict)

    def samples(self) -> Iterator[Sample]:
        """Yield everything about them."""
        yield Sample(registry.DATABASE_UP, self.money is not None)
        yield Sample(registry.REDIS_UP, self.groups is not None)
        yield Sample(registry.BUILD_INFO, 1, (registry.VERSION, str(SCHEMA)))
        for outcome, count in self.webhook_tries.items():
            yield Sample(registry.WEBHOOK_DELIVERIES, count, (outcome,))
        if self.money is not None:
            yield Sample(registry.OLDEST_UNSETTLED, self.money.oldest_unsettled_seconds)
            yield Sample(registry.STUCK_PURCHASES, self.money.stuck_purchases)
            yield Sample(registry.FAILED_REFUNDS, self.money.failed_refunds)
        if self.groups is not None:
            yield from _of_groups(self.groups)


class Servers(Protocol):
    """Where that is learned."""

    async def state(self) -> ServerState:
        """Return what is known now, within some seconds. Never raises: what is away is told as such."""


def _of_groups(statuses: Sequence[GroupStatus]) -> Iterator[Sample]:
    for group in GROUPS:
        found = [one for one in statuses if (one.group if one.group in GROUPS else OTHER) == group]
        yield Sample(registry.CONSUMER_LAG, max((one.age_seconds for one in found), default=0), (group,))
        yield Sample(registry.CONSUMER_PENDING, sum(one.pending for one in found), (group,))
        yield Sample(registry.DEAD_LETTERS, sum(one.dead_letters for one in found), (group,))
