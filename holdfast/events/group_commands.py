"""What a member of a consumer group says to Redis. Every method waits for a Redis that is away."""

from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from holdfast.batch_loader import BatchLoader
from holdfast.events import scripts
from holdfast.events.event import Event
from holdfast.events.keys import dead_letters_key, lease_key, missed_key, replay_key
from holdfast.events.partition import Entry, Partition
from holdfast.events.partitions import epoch_key, stream_key
from holdfast.events.patience import GroupMissingError, Patience, is_group_missing

BEGINNING = "0-0"
# The field of what is missed that is no entity: the instant from which on all events are to be read from the history.
SINCE = "since"
DEAD_LETTERS = 100_000
CONSUMER_IDLE_MS = 24 * 60 * 60 * 1000

Fields = dict[bytes, bytes]


class GroupCommands:
    """One member's commands."""

    def __init__(self, redis: Redis, patience: Patience, group: str, client_id: str) -> None:
        self.redis = redis
        self.group = group
        self.client_id = client_id
        self._patience = patience
        # Each alone costs 0.1 ms of processor time, and a member acknowledges every event of its partitions, also those
        # that nobody there has subscribed to.
        self._acks: BatchLoader[tuple[Any, ...], Any] = BatchLoader(self._ack_together)

    async def make(self, partition: int, start: str) -> None:
        """Make the group for a partition, if there is none, so that it begins behind the entry `start`."""
        keys = (stream_key(partition), missed_key(self.group, partition))
        await self._eval(scripts.MAKE, keys, (self.group, start, SINCE))
        await self._patience(lambda: self._make_for_replays(replay_key(self.group, partition)))

    async def _make_for_replays(self, stream: str) -> None:
        try:
            await self.redis.xgroup_create(stream, self.group, BEGINNING, mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def exists(self) -> bool:
        """Return whether the first partition has the group."""

        async def look() -> bool:
            if not await self.redis.exists(stream_key(0)):
                return False
            return any(found["name"] == self.group.encode() for found in await self.redis.xinfo_groups(stream_key(0)))

        return await self._patience(look)

    async def take_over(self, partition: Partition, stream: str) -> Any:  # noqa: ANN401 - a script's answer
        """Make the pending entries of a stream this member's. Raises GroupMissingError.

        Returns None without the lease, else epoch, last delivered id, and of each entry its id, deliveries and fields.
        """
        keys = (stream, lease_key(self.group, partition.number), epoch_key(partition.number))
        arguments = (self.group, partition.value, self.client_id, CONSUMER_IDLE_MS)
        answer = await self._eval(scripts.TAKE_OVER, keys, arguments)
        if answer[0] == b"lost":
            return None
        return answer[1].decode(), answer[2].decode(), answer[3]

    async def wait_for_entries(self, last_ids: Mapping[str, str], wait_ms: int) -> list[str]:
        """Return the streams that have entries behind these, waiting for the first one."""
        found: Any = await self._patience(lambda: self.redis.xread(dict(last_ids), count=1, block=wait_ms))  # type: ignore[arg-type]
        return [stream.decode() for stream, _ in found]

    async def read(self, streams: Sequence[tuple[Partition, str]], count: int) -> list[Any]:
        """Return, for each stream, what the script READ answers, or the error. Raises RedisError: not repeated."""
        pipe = self.redis.pipeline(transaction=False)
        for partition, stream in streams:
            keys = (stream, lease_key(self.group, partition.number), epoch_key(partition.number))
            covered = partition.covered_id if stream == stream_key(partition.number) else ""
            arguments = (self.group, partition.value, self.client_id, count, partition.epoch, covered)
            pipe.eval(scripts.READ, len(keys), *keys, *arguments, partition.last_ids[stream])
        return await self._patience.once(lambda: pipe.execute(raise_on_error=False))

    async def epochs(self, partitions: Sequence[int]) -> list[str]:
        """Return the epochs of these partitions' streams, empty where there is none."""

        async def ask() -> list[Any]:
            pipe = self.redis.pipeline(transaction=False)
            for partition in partitions:
                pipe.get(epoch_key(partition))
            return await pipe.execute()

        return [(epoch or b"").decode() for epoch in await self._patience(ask)]

    async def ack(self, partition: Partition, stream: str, entry_ids: Sequence[str]) -> int:
        """Acknowledge entries: 1 if done, 0 if another member has them by now, -1 if the lease is lost."""
        remove = "1" if stream == replay_key(self.group, partition.number) else "0"
        keys = (stream, lease_key(self.group, partition.number))
        command = (len(keys), *keys, self.group, partition.value, self.client_id, remove, *entry_ids)
        answer = await self._patience(lambda: self._acks(command))
        if isinstance(answer, Exception):
            raise GroupMissingError from answer
        return int(answer)

    async def _ack_together(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return what the script ACK answers to each, or that its group is missing. Raises RedisError."""
        pipe = self.redis.pipeline(transaction=False)
        for command in commands:
            pipe.eval(scripts.ACK, *command)
        answers = await pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception) and not is_group_missing(answer):
                raise answer
        return answers

    async def count(self, stream: str, entry_ids: Sequence[str], deliveries: int) -> None:
        """Keep in Redis how often these entries were handed over, and begin their idle time anew."""
        await self._claim(stream, entry_ids, retrycount=deliveries)

    async def touch(self, stream: str, entry_ids: Sequence[str]) -> None:
        """Begin the idle time of entries anew, so that no other member claims them."""
        await self._claim(stream, entry_ids)

    async def hand_back(self, stream: str, entry_ids: Sequence[str]) -> None:
        """Have entries claimed by other members at once, as if they had not been read."""
        await self._claim(stream, entry_ids, retrycount=0, idle=CONSUMER_IDLE_MS)

    async def _claim(self, stream: str, entry_ids: Sequence[str], **options: int) -> None:
        def claim() -> Any:  # noqa: ANN401
            return self.redis.xclaim(stream, self.group, self.client_id, 0, list(entry_ids), justid=True, **options)  # type: ignore[arg-type]

        await self._patience(claim)

    async def bury(self, entry: Entry, reason: str) -> None:
        """Add an entry to the dead letters."""
        fields = entry.event.fields()
        fields += ("reason", reason, "deliveries", str(entry.deliveries), "error", entry.error)
        fields += ("stream", entry.stream or "", "entry", entry.entry_id)
        letter: Any = dict(zip(fields[::2], fields[1::2], strict=True))
        await self._patience(lambda: self.redis.xadd(dead_letters_key(self.group), letter, maxlen=DEAD_LETTERS))

    async def note_missed(self, partition: int, missed: Mapping[str, int]) -> None:
        """Keep what is to be read from the history, so that a successor reads it if this member dies before."""
        mapping: Any = missed
        await self._patience(lambda: self.redis.hset(missed_key(self.group, partition), mapping=mapping))

    async def note_gap(self, partition: int, entity: str, version: int) -> None:
        """Keep up to which version an entity has no gap, unless an earlier gap is noted that is not handled yet."""
        key = missed_key(self.group, partition)
        await self._patience(lambda: self.redis.hsetnx(key, entity, version))

    async def missed(self, partition: int) -> dict[str, int]:
        """Return what is to be read from the history."""
        found: Any = await self._patience(lambda: self.redis.hgetall(missed_key(self.group, partition)))
        return {name.decode(): int(value) for name, value in found.items()}

    async def forget_missed(self, partition: Partition, name: str) -> None:
        """Strike out what was read from the history and handled, unless the lease is lost."""
        keys = (missed_key(self.group, partition.number), lease_key(self.group, partition.number))
        await self._eval(scripts.FORGET, keys, (name, partition.value))

    async def first_event(self, partition: int) -> Event | None:
        """Return the first event of a partition's stream, if it has one."""
        found: Any = await self._patience(lambda: self.redis.xrange(stream_key(partition), count=1))
        return Event.of_fields(found[0][1]) if found else None

    async def last_delivered(self, stream: str) -> str:
        """Return the id up to which the group's members read. Raises GroupMissingError."""

        async def look() -> list[dict[str, Any]]:
            return await self.redis.xinfo_groups(stream) if await self.redis.exists(stream) else []

        for found in await self._patience(look):
            if found["name"] == self.group.encode():
                return str(found["last-delivered-id"].decode())
        raise GroupMissingError

    async def claim_overdue(self, stream: str, idle_ms: int, count: int) -> list[Any]:
        """Take over entries that were idle so long: of each its id, deliveries, and fields or None if it was trimmed.

        Raises GroupMissingError.
        """

        def look() -> Any:  # noqa: ANN401
            return self.redis.xpending_range(stream, self.group, "-", "+", count, idle=idle_ms)

        claimed = []
        for pending in await self._patience(look):
            entry_id, deliveries = pending["message_id"], pending["times_delivered"]
            keys = (stream,)
            found = await self._eval(scripts.CLAIM, keys, (self.group, self.client_id, idle_ms, entry_id, deliveries))
            if found is not None:
                claimed.append((entry_id, deliveries, found or None))
        return claimed

    async def _eval(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:  # noqa: ANN401
        return await self._patience(lambda: self.redis.eval(script, len(keys), *keys, *arguments))
