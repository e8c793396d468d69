"""Who is a member of a group, and which partitions each member reads.

Everything here ends by itself, after a time that Redis counts: no clock is compared with another.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from holdfast.events import scripts
from holdfast.events.errors import ClientIdInUseError, DurableInUseError
from holdfast.events.keys import lease_key, member_key, members_key
from holdfast.events.partitions import PARTITIONS
from holdfast.events.patience import Patience

_DAY_SECONDS = 24 * 60 * 60
_MARGIN_SECONDS = 0.1


class Leases:
    """One member's registration and leases; each ends `seconds` after its last renewal."""

    def __init__(self, redis: Redis, patience: Patience, group: str, client_id: str, seconds: float) -> None:
        self._redis = redis
        self._patience = patience
        self._group = group
        self._client_id = client_id
        self._ms = max(1, round(seconds * 1000))
        self._token = secrets.token_hex(8)

    async def join(self, *, is_shared: bool) -> None:
        """Become a member. Whoever stands in the way may have died, so it gets the time in which it would renew.

        Raises ClientIdInUseError, and unless the group is shared DurableInUseError.
        """
        for attempt in range(2):
            if attempt:
                await asyncio.sleep(self._ms / 1000 + _MARGIN_SECONDS)
            if not await self._register():
                refusal: Exception = ClientIdInUseError(
                    f"group {self._group} has a living member with the client id {self._client_id}"
                )
            elif is_shared or await self.members() == [self._client_id]:
                return
            else:
                refusal = DurableInUseError(f"durable {self._group} has a member: name a queue_group to share it")
                await self.leave()
        raise refusal

    async def heartbeat(self) -> None:
        """Say that this member lives. Raises ClientIdInUseError if another took its place while it was silent."""
        key = member_key(self._group, self._client_id)
        if not await self._renew(key, self._token) and not await self._register():
            raise ClientIdInUseError(f"the client id {self._client_id} was taken while this member was silent")
        now, _ = await self._patience(self._redis.time)
        name = members_key(self._group)

        async def note() -> None:
            await self._redis.zadd(name, {self._client_id: now})
            await self._redis.zremrangebyscore(name, "-inf", now - _DAY_SECONDS)

        await self._patience(note)

    async def members(self) -> list[str]:
        """Return the client ids of the living members, in order."""
        return await self._patience(lambda: living_members(self._redis, self._group))

    async def share(self) -> int:
        """Return how many partitions this member should have; the shares of all members make up all partitions."""
        members = await self.members()
        if self._client_id not in members:
            return 0
        each, rest = divmod(PARTITIONS, len(members))
        return each + (members.index(self._client_id) < rest)

    async def acquire(self, partition: int) -> str | None:
        """Return the value of a new lease, or None if somebody has it."""
        value = f"{self._client_id}:{secrets.token_hex(8)}"
        key = lease_key(self._group, partition)
        taken = await self._patience(lambda: self._redis.set(key, value, nx=True, px=self._ms))
        return value if taken else None

    async def renew(self, leases: Sequence[tuple[int, str]]) -> set[int]:
        """Renew leases, given as partitions and values; return the partitions whose leases are lost."""

        async def ask() -> list[Any]:
            pipe = self._redis.pipeline(transaction=False)
            for partition, value in leases:
                pipe.eval(scripts.RENEW, 1, lease_key(self._group, partition), value, self._ms)
            return await pipe.execute()

        answers = await self._patience(ask)
        return {partition for (partition, _), is_ours in zip(leases, answers, strict=True) if not is_ours}

    async def release(self, partition: int, value: str) -> None:
        """Let another member have the partition now."""
        await self._patience(lambda: self._redis.eval(scripts.RELEASE, 1, lease_key(self._group, partition), value))

    async def leave(self) -> None:
        """Be no member any more."""
        key = member_key(self._group, self._client_id)
        await self._patience(lambda: self._redis.eval(scripts.RELEASE, 1, key, self._token))
        await self._patience(lambda: self._redis.zrem(members_key(self._group), self._client_id))

    async def _register(self) -> bool:
        key = member_key(self._group, self._client_id)

        async def take() -> bool:
            if await self._redis.set(key, self._token, nx=True, px=self._ms):
                now, _ = await self._redis.time()
                await self._redis.zadd(members_key(self._group), {self._client_id: now})
                return True
            # A repeat, after an answer that was lost, finds its own token.
            return bool(await self._redis.get(key) == self._token.encode())

        return await self._patience(take)

    async def _renew(self, key: str, value: str) -> bool:
        answer = await self._patience(lambda: self._redis.eval(scripts.RENEW, 1, key, value, self._ms))
        return bool(answer)


async def living_members(redis: Redis, group: str) -> list[str]:
    """Return the client ids of a group's living members, in order. Raises RedisError."""
    found: Any = await redis.zrange(members_key(group), 0, -1)
    names = [name.decode() for name in found]
    pipe = redis.pipeline(transaction=False)
    for name in names:
        pipe.exists(member_key(group, name))
    return sorted(name for name, lives in zip(names, await pipe.execute(), strict=True) if lives)
