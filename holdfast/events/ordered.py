"""A durable whose members handle each entity's events in order: each partition is read by one member at a time."""

import asyncio
import contextlib

from holdfast.events.leases import Leases
from holdfast.events.partition import Marks, Partition
from holdfast.events.partitions import PARTITIONS
from holdfast.events.reading import Reader
from holdfast.events.subscription import Setting


class OrderedSubscription(Reader):
    """One member of an ordered durable.

    A lease that ends while its member sleeps costs no order: the successor begins with what is not acknowledged, and
    Redis refuses what the former member reads or acknowledges.
    """

    def __init__(self, setting: Setting, leases: Leases) -> None:
        super().__init__(setting, leases)
        self._marks: dict[int, Marks] = {}
        self._unbalanced = asyncio.Event()

    @property
    def partitions(self) -> list[int]:
        """Return the partitions that this member reads now."""
        return sorted(self._partitions)

    def start(self) -> None:
        """Begin to read."""
        self._start(self._keep_leases())
        self._start(self._keep_positions())
        self._start_reading()

    async def _take_over(self, partition: Partition) -> bool:
        return await self._intake.take_over(partition)

    async def _keep_leases(self) -> None:
        while True:
            await self._balance()
            self._unbalanced.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._setting.lease_seconds / 3):
                    await self._unbalanced.wait()
            await self._leases.heartbeat()
            held = [(partition.number, partition.value) for partition in self._partitions.values()]
            for number in await self._leases.renew(held):
                if number in self._partitions:
                    self._on_lease_lost(self._partitions[number])

    async def _balance(self) -> None:
        share = await self._leases.share()
        kept = [partition for partition in self._partitions.values() if not partition.is_draining]
        for partition in kept[share:]:
            partition.is_draining = True
            self._start(self._give_up(partition, waits=True))
        wanted = share - len(kept)
        for number in range(PARTITIONS):
            if wanted <= 0 or self._is_ending or number in self._partitions:
                continue
            if value := await self._leases.acquire(number):
                wanted -= 1
                marks = self._marks.setdefault(number, Marks())
                self._begin(Partition(number, value, marks.begin_lease()))

    def _on_lease_lost(self, partition: Partition) -> None:
        super()._on_lease_lost(partition)
        self._unbalanced.set()

    async def _give_up(self, partition: Partition, *, waits: bool) -> None:
        """Let another member have a partition, between two messages."""
        partition.is_draining = True
        if waits:
            await partition.until_out_of_hand()
        if not partition.is_open:
            return
        position_ms = partition.position_ms()
        await self._hand_back(partition)
        await self._leases.release(partition.number, partition.value)
        if self._partitions.get(partition.number) is partition:
            del self._partitions[partition.number]
        if position_ms is not None:
            await self._save({partition.number: position_ms})

    async def _end(self, *, waits: bool) -> None:
        await self._stop_reading()
        while held := [partition for partition in self._partitions.values() if partition.is_open]:
            await asyncio.gather(*(self._give_up(partition, waits=waits) for partition in held))
        await self._cancelled()
        await self._leases.leave()
        self._deliveries.close()

    async def _keep_positions(self) -> None:
        saved: dict[int, int] = {}
        while True:
            await asyncio.sleep(self._setting.lease_seconds)
            times = {number: partition.position_ms() for number, partition in self._partitions.items()}
            new = {number: ms for number, ms in times.items() if ms is not None and saved.get(number) != ms}
            if new:
                await self._save(new)
                saved.update(new)

    async def _save(self, times: dict[int, int]) -> None:
        positions = self._setting.positions
        await self._setting.positions_patience(lambda: positions.save(self._setting.group, times))
