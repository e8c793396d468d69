"""The way in: `connect`, then `subscribe`."""

from collections.abc import Awaitable, Callable, Generator, Sequence
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar, overload

from redis.asyncio import Redis

from holdfast.events.deliver import Deliver, entry_before, start_ms
from holdfast.events.deliveries import Limits
from holdfast.events.ephemeral import EphemeralSubscription
from holdfast.events.group_commands import SINCE
from holdfast.events.history import History
from holdfast.events.keys import checked_name
from holdfast.events.leases import Leases
from holdfast.events.ordered import OrderedSubscription
from holdfast.events.partitions import PARTITIONS
from holdfast.events.positions import InMemoryPositions, Positions
from holdfast.events.subjects import Subjects
from holdfast.events.subscription import Setting, Subscription
from holdfast.events.unordered import UnorderedSubscription


class _Closable(Protocol):
    async def close(self) -> None: ...


T = TypeVar("T", bound=_Closable)


class Opening(Generic[T]):
    """Something to `await`, or to enter with `async with`, which closes it at the end."""

    def __init__(self, open_it: Callable[[], Awaitable[T]]) -> None:
        self._open = open_it
        self._opened: T | None = None

    def __await__(self) -> Generator[Any, None, T]:
        return self._open().__await__()

    async def __aenter__(self) -> T:
        self._opened = await self._open()
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.close()


def connect(
    redis_url: str | None = None,
    *,
    client_id: str,
    redis: Redis | None = None,
    history: History | None = None,
    positions: Positions | None = None,
) -> "Opening[Client]":
    """Return a client, with `await` or `async with`; Redis is asked at the first subscription only.

    `redis` is an open connection, which stays open, instead of `redis_url`. `history` is what knows the events that
    Redis lost or removed, `positions` where durables are remembered if Redis forgets them: by default in memory.
    Raises ValueError.
    """
    checked_name("a client id", client_id)
    if (redis_url is None) == (redis is None):
        raise ValueError("connect needs either redis_url or redis")
    if redis is not None and redis.connection_pool.connection_kwargs.get("decode_responses"):
        raise ValueError("redis has to be open without decode_responses")

    async def open_it() -> Client:
        opened = redis or Redis.from_url(redis_url or "")
        return Client(opened, client_id, history, positions or InMemoryPositions(), is_own=redis is None)

    return Opening(open_it)


class Client:
    """A connection under a client id, which is unique among the members of a group."""

    def __init__(
        self, redis: Redis, client_id: str, history: History | None, positions: Positions, *, is_own: bool
    ) -> None:
        self._redis = redis
        self._client_id = client_id
        self._history = history
        self._positions = positions
        self._is_own = is_own
        self._subscriptions: list[Subscription | EphemeralSubscription] = []

    @overload
    def subscribe(
        self, subjects: str | Sequence[str], *, durable: None = None, deliver: Deliver = "new"
    ) -> Opening[EphemeralSubscription]: ...

    @overload
    def subscribe(
        self,
        subjects: str | Sequence[str],
        *,
        durable: str,
        queue_group: str | None = None,
        ordered: bool = True,
        deliver: Deliver = "new",
        ack_wait: float = 30.0,
        max_in_flight: int = 64,
        max_deliver: int = 5,
        backoff: Sequence[float] = (1, 5, 30, 120),
    ) -> Opening[Subscription]: ...

    def subscribe(  # noqa: PLR0913 - the options of NATS
        self,
        subjects: str | Sequence[str],
        *,
        durable: str | None = None,
        queue_group: str | None = None,
        ordered: bool = True,
        deliver: Deliver = "new",
        ack_wait: float = 30.0,
        max_in_flight: int = 64,
        max_deliver: int = 5,
        backoff: Sequence[float] = (1, 5, 30, 120),
    ) -> Opening[Any]:
        """Return a subscription, with `await` or `async with`. Subjects are as in NATS: `order.*`, `order.>`.

        Without `durable` it is ephemeral: nothing is remembered, nothing needs to be acknowledged. A durable's position
        survives; it begins at `deliver` when it is new. Members that share it name it as `queue_group` too.
        `ordered` hands the events of an entity over one after the other; other entities run side by side, and
        `max_in_flight` events are in memory at most. An entity that is delivered again and again takes part of them.

        A message that is not acknowledged within `ack_wait` seconds is delivered again, after `backoff` seconds (its
        first for the second delivery, and so on), and after `max_deliver` times it is a dead letter. A member that dies
        is replaced after half of `ack_wait`.

        Raises ValueError; ClientIdInUseError and DurableInUseError, both after half of `ack_wait`, in case the other
        member died; and what Redis answers when it refuses access. A Redis that is away is waited for.
        """
        wanted = Subjects(subjects)
        if durable is None:
            if queue_group is not None:
                raise ValueError("a queue group shares a durable: name it as durable too")

            async def open_ephemeral() -> EphemeralSubscription:
                subscription = EphemeralSubscription(self._redis, wanted, self._history)
                await subscription.start(deliver)
                self._subscriptions.append(subscription)
                return subscription

            return Opening(open_ephemeral)
        checked_name("a durable", durable)
        if queue_group not in {None, durable}:
            raise ValueError(f"the queue group of the durable {durable} is {durable}, not {queue_group}")
        limits = Limits(ack_wait, max_in_flight, max_deliver, tuple(backoff))
        setting = Setting(self._redis, durable, self._client_id, wanted, limits, self._history, self._positions)

        async def open_durable() -> Subscription:
            subscription = await _open_durable(setting, deliver, is_ordered=ordered, is_shared=queue_group is not None)
            self._subscriptions.append(subscription)
            return subscription

        return Opening(open_durable)

    async def close(self) -> None:
        """End all subscriptions at once, and the connection unless it was given."""
        for subscription in self._subscriptions:
            await subscription.close()
        if self._is_own:
            await self._redis.aclose()


async def _open_durable(setting: Setting, deliver: Deliver, *, is_ordered: bool, is_shared: bool) -> Subscription:
    leases = setting.leases()
    await leases.join(is_shared=is_shared)
    try:
        await _make_group(setting, leases, deliver)
        kind = OrderedSubscription if is_ordered else UnorderedSubscription
        subscription = kind(setting, leases)
    except BaseException:
        await leases.leave()
        raise
    subscription.start()
    return subscription


async def _make_group(setting: Setting, leases: Leases, deliver: Deliver) -> None:
    """Make the group where it begins, unless Redis, the positions or other members know it."""
    commands = setting.commands()
    if await commands.exists():
        return
    load = setting.positions.load
    if await setting.positions_patience(lambda: load(setting.group)) is not None or len(await leases.members()) > 1:
        return  # Redis lost it; the readers make it again, at the beginning
    ms = await setting.history_patience(lambda: start_ms(deliver, setting.history))
    for number in range(PARTITIONS):
        start = "$"
        if ms is not None:
            start, reaches_back = await setting.redis_patience(
                lambda number=number: entry_before(setting.redis, number, ms)  # type: ignore[misc]
            )
            if not reaches_back and deliver != "all" and setting.history is not None:
                await commands.note_missed(number, {SINCE: ms})
        await commands.make(number, start)
    await setting.positions_patience(lambda: setting.positions.save(setting.group, {}))
