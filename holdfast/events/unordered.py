"""A durable whose members share the events in any order: plain consumer groups."""

import asyncio

from holdfast.events.keys import replay_key
from holdfast.events.partition import Partition
from holdfast.events.partitions import PARTITIONS, stream_key
from holdfast.events.patience import GroupMissingError
from holdfast.events.reading import Reader


class UnorderedSubscription(Reader):
    """One member of an unordered durable.

    What a member that died or was stopped had is claimed by another after `ack_wait`. The history is not read: events
    that Redis lost are missed, and counted in `missed` if they were pending.
    """

    def start(self) -> None:
        """Begin to read."""
        for number in range(PARTITIONS):
            self._begin(Partition(number, "", is_ordered=False))
        self._start(self._keep_membership())
        self._start(self._keep_claims())
        self._start_reading()

    async def _take_over(self, partition: Partition) -> bool:
        streams = self._streams(partition)
        partition.epoch = (await self._commands.epochs([partition.number]))[0]
        for stream in streams:
            partition.last_ids[stream] = await self._commands.last_delivered(stream)
        return True

    def _streams(self, partition: Partition) -> tuple[str, str]:
        return stream_key(partition.number), replay_key(self._setting.group, partition.number)

    async def _keep_membership(self) -> None:
        while True:
            await asyncio.sleep(self._setting.lease_seconds / 3)
            await self._leases.heartbeat()

    async def _keep_claims(self) -> None:
        """Keep others from claiming what this member has, and claim what nobody has."""
        while True:
            for partition in [*self._partitions.values()]:
                for stream in self._streams(partition):
                    if partition.is_readable:
                        await self._keep_claims_of(partition, stream)
            await asyncio.sleep(self._setting.limits.ack_wait / 3)

    async def _keep_claims_of(self, partition: Partition, stream: str) -> None:
        try:
            ours = [entry.entry_id for entry in partition.entries() if entry.stream == stream]
            if ours:
                await self._commands.touch(stream, ours)
            free = self._window.free
            if free > 0:
                idle_ms = round(self._setting.limits.ack_wait * 1000)
                claimed = await self._commands.claim_overdue(stream, idle_ms, free)
                if partition.is_readable:
                    await self._intake.take_in_claimed(partition, stream, claimed)
        except GroupMissingError:
            self._begin_anew(partition)

    async def _end(self, *, waits: bool) -> None:
        await self._stop_reading()
        for partition in [*self._partitions.values()]:
            if waits:
                await partition.until_out_of_hand()
            await self._hand_back(partition)
        await self._cancelled()
        await self._leases.leave()
        self._deliveries.close()
