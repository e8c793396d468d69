"""Other people's consumers: members of one ordered group, each in a process of its own."""

import asyncio
from typing import TYPE_CHECKING

from holdfast.events import ClientIdInUseError, Message, connect
from tests.simulation.actors import STARTING
from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.market import SimulatedMarket

GROUP = "others"
SUBJECTS = ">"
# Seconds. Of what takes longer than ACK_WAIT another delivery begins.
ACK_WAIT = 20.0
HANDLING = (0.001, 2.0)
TOO_LONG = 25.0
MANY = 16
# How many deliveries take too long, and how many fail.
SLOW = 0.01
FAILING = 0.03
ENDLESSLY = 1_000_000


class Member:
    """One of them, which is started again when it died."""

    process: Process

    def __init__(self, market: "SimulatedMarket", number: int) -> None:
        self._market = market
        self._world = market.world
        self._name = f"member-{number}"
        self._handling: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Starts it."""
        self.process = self._world.loop.process(self._name)
        self.process.run(self._live(), "live")

    def died(self, process: Process) -> None:
        """It is started again if it was this one."""
        if process is self.process:
            here = self._market.ray.process.context
            self._world.loop.call_later(self._world.seconds(*STARTING), self.start, context=here)

    async def _live(self) -> None:
        while True:
            try:
                await self._consume()
            except ClientIdInUseError:
                self._world.note("is not known any more", self._name)

    async def _consume(self) -> None:
        own = self._market.connect(self._world, self.process)
        async with (
            connect(redis=own.redis, client_id=self._name, history=own.history, positions=own.positions) as client,
            client.subscribe(
                SUBJECTS,
                durable=GROUP,
                queue_group=GROUP,
                deliver="all",
                ack_wait=ACK_WAIT,
                max_in_flight=MANY,
                max_deliver=ENDLESSLY,
                backoff=(1, 2),
            ) as subscription,
        ):
            async for message in subscription:
                task = asyncio.create_task(self._handle(message))
                self._handling.add(task)
                task.add_done_callback(self._handling.discard)

    async def _handle(self, message: Message) -> None:
        world, rules = self._world, self._market.event_rules
        rules.begins(GROUP, message.event)
        is_slow = not world.is_calm and world.random.random() < SLOW
        await asyncio.sleep(TOO_LONG if is_slow else world.seconds(*HANDLING))
        if not world.is_calm and world.random.random() < FAILING:
            await message.nak()
            return
        rules.ends(GROUP, message.event)
        await message.ack()
