"""Ray in a simulation: actors by name, each in a process of its own that is started again when it died."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from actors.cluster import names
from actors.cluster.client import ActorClient
from actors.cluster.heartbeat import ActorMissingError, Heartbeat
from actors.processes.base import HostActor
from actors.processes.order_actor import OrderActor
from actors.processes.payment_actor import PaymentActor
from actors.processes.resources import Resources
from actors.processes.supervisor import Supervisor
from actors.processes.ticket_actor import TicketActor
from actors.runtime.ports import HostUnreachableError, Instant, Reply
from actors.supervision.liveness import EVERY_SECONDS
from config.settings import Settings
from tests.simulation.loop import Process
from tests.simulation.world import World

# All processes are on it.
NODE = "node"
CLASSES: dict[str, type[HostActor]] = {
    names.TICKETS: TicketActor,
    names.ORDERS: OrderActor,
    names.PAYMENTS: PaymentActor,
    names.SUPERVISOR: Supervisor,
}
# Seconds: how long a message takes, a late one, until a death is noticed, and until another incarnation runs.
LATENCY = (0.0005, 0.005)
LATE = (0.05, 8.0)
NOTICING = (0.01, 1.0)
STARTING = (0.5, 2.5)

Connect = Callable[[World, Process], Resources]


@dataclass(eq=False)
class Incarnation:
    """One life of an actor, and the calls that wait for it."""

    process: Process
    actor: HostActor
    waiting: dict[asyncio.Future[Any], None] = field(default_factory=dict)


@dataclass(eq=False)
class Slot:
    """An actor as Ray knows it: its newest incarnation, and older ones that were replaced and live on."""

    name: str
    newest: Incarnation | None = None
    zombies: list[Incarnation] = field(default_factory=list)

    def has(self, process: Process) -> bool:
        """Whether it is one that lives or lived on in this actor's name."""
        return any(one is not None and one.process is process for one in (self.newest, *self.zombies))


class SimulatedRay:
    """Starts actors, finds them, and starts them again."""

    def __init__(self, world: World, settings: Settings, connect: Connect) -> None:
        self.slots: dict[str, Slot] = {}
        self.connect = connect
        self._world = world
        self._settings = settings
        # What FEE_PERCENT is in one life of an actor after the other, as while the operator changes it.
        self.fees: tuple[Decimal, ...] = (Decimal(0),)
        self.process = world.loop.process("ray")
        self._lives = 0

    def create(self, name: str) -> Slot:
        """The actor of this name, created if there is none."""
        slot = self.slots.get(name)
        if slot is None:
            slot = self.slots[name] = Slot(name)
            if names.is_dedicated(name):
                # A process takes as long as after a death, and may die before it runs.
                self._world.count("own_actor_started")
                self._start_later(slot)
            else:
                self._start(slot)
        return slot

    def died(self, process: Process) -> None:
        """Its callers hear of it, and another incarnation starts unless there is one."""
        for slot in self.slots.values():
            for incarnation in (*slot.zombies, slot.newest):
                if incarnation is not None and incarnation.process is process:
                    self._lost(slot, incarnation)
                    return

    def replace(self, slot: Slot) -> None:
        """Starts another incarnation; with the fault `zombies` the one before lives on."""
        before, world = slot.newest, self._world
        if before is None:
            return
        if world.strikes("zombies"):
            world.note("lives on", slot.name)
            slot.zombies.append(before)
            slot.newest = None
            self._start_later(slot)
        else:
            world.kill(before.process)

    def second_copy(self, slot: Slot) -> None:
        """Another incarnation starts although nothing is wrong with the one that is there."""
        if slot.newest is not None:
            slot.zombies.append(slot.newest)
            slot.newest = None
            self._start(slot)

    def passivate(self, slot: Slot) -> None:
        """The actor ends and is not started again."""
        self._world.count("own_actor_ended")
        self.slots.pop(slot.name, None)
        for incarnation in (*slot.zombies, slot.newest):
            if incarnation is not None:
                incarnation.process.die()
                self._tell_callers(incarnation)
        # Whoever still has a handle finds nobody there.
        slot.newest, slot.zombies = None, []

    def target(self, slot: Slot) -> Incarnation | None:
        """Whom a message to the actor reaches."""
        slot.zombies = [one for one in slot.zombies if one.process.is_alive]
        world = self._world
        if slot.zombies and world.random.random() < world.faults.to_zombies:
            world.count("message_to_zombie")
            return world.random.choice(slot.zombies)
        return slot.newest

    def end_zombies(self) -> None:
        """A network that is whole again lets nobody live who was replaced, and a stopped machine is turned on again."""
        for slot in list(self.slots.values()):
            for zombie in slot.zombies:
                self._world.kill(zombie.process)
            if slot.newest is not None:
                slot.newest.process.go_on()

    def _lost(self, slot: Slot, incarnation: Incarnation) -> None:
        self._tell_callers(incarnation)
        if incarnation is slot.newest:
            slot.newest = None
            self._start_later(slot)

    def _tell_callers(self, incarnation: Incarnation) -> None:
        world = self._world
        for answer in incarnation.waiting:
            world.loop.call_later(world.seconds(*NOTICING), unreachable, answer, context=self.process.context)
        incarnation.waiting.clear()

    def _start_later(self, slot: Slot) -> None:
        world = self._world
        world.loop.call_later(world.seconds(*STARTING), self._start, slot, context=self.process.context)

    def _start(self, slot: Slot) -> None:
        if slot.newest is not None or self.slots.get(slot.name) is not slot:
            return
        self._lives += 1
        process = self._world.loop.process(f"{slot.name}#{self._lives}")
        kind = names.kind_of(slot.name)
        settings = self._settings.model_copy(update={"fee_percent": self.fees[self._lives % len(self.fees)]})
        system = SimulatedSystem(self._world, self, process, self._lives, settings)
        actor = process.call(CLASSES[kind], slot.name, system)
        slot.newest = Incarnation(process, actor)
        process.call(self._world.note, "starts")


def unreachable(answer: asyncio.Future[Any]) -> None:
    """The caller hears that its actor died."""
    if not answer.done():
        answer.set_exception(HostUnreachableError("died"))


class SimulatedTransport:
    """See runtime.ports.Transport. One for each process, as handles are."""

    def __init__(self, world: World, ray: SimulatedRay) -> None:
        self._world = world
        self._ray = ray
        self._handles: dict[str, Slot] = {}

    async def call(self, host: str, messages: Sequence[Any], deadline: Instant, *, redelivered: bool) -> list[Reply]:
        world = self._world
        if world.strikes("crash_before"):
            await world.die()
        slot = self._handles.get(host)
        if slot is None:
            slot = self._handles[host] = await self._look_up(host)
        dying = world.strikes("crash_after")
        answer = self._send(slot, lambda actor: actor.deliver(messages, deadline, redelivered=redelivered))
        if dying:
            await world.die()
        try:
            replies: list[Reply] = await answer
        except HostUnreachableError:
            self._handles.pop(host, None)
            raise
        return replies

    async def ask(self, host: str, question: Callable[[HostActor], Any]) -> Any:  # noqa: ANN401 - what it answers
        """Calls another method of the actor."""
        return await self._send(await self._look_up(host), question)

    async def _look_up(self, host: str) -> Slot:
        await asyncio.sleep(self._world.seconds(*LATENCY))
        if host not in self._ray.slots:
            raise ActorMissingError(host)
        return self._ray.slots[host]

    def _send(self, slot: Slot, question: Callable[[HostActor], Any]) -> asyncio.Future[Any]:
        world = self._world
        answer: asyncio.Future[Any] = world.loop.create_future()
        if not world.strikes("message_dropped"):
            self._arrive_later(slot, question, answer)
        if world.strikes("message_duplicated"):
            self._arrive_later(slot, question, answer)
        return answer

    def _arrive_later(self, slot: Slot, question: Callable[[HostActor], Any], answer: asyncio.Future[Any]) -> None:
        world = self._world
        seconds = world.seconds(*LATE) if world.strikes("message_late") else world.seconds(*LATENCY)
        # On the way it does not need its sender any more.
        world.loop.call_later(seconds, self._arrive, slot, question, answer, context=self._ray.process.context)

    def _arrive(self, slot: Slot, question: Callable[[HostActor], Any], answer: asyncio.Future[Any]) -> None:
        incarnation = self._ray.target(slot)
        if incarnation is None:
            self._world.loop.call_later(self._world.seconds(*NOTICING), unreachable, answer)
            return
        incarnation.waiting[answer] = None
        incarnation.process.run(self._answer(incarnation, question, answer), "deliver")

    async def _answer(
        self, incarnation: Incarnation, question: Callable[[HostActor], Any], answer: asyncio.Future[Any]
    ) -> None:
        world = self._world
        replies = await question(incarnation.actor)
        incarnation.waiting.pop(answer, None)
        if world.strikes("answer_dropped"):
            return
        seconds = world.seconds(*LATE) if world.strikes("message_late") else world.seconds(*LATENCY)
        # The answer is on the way: it arrives also when its sender dies now.
        world.loop.call_later(seconds, _reply, answer, replies, context=self._ray.process.context)


def _reply(answer: asyncio.Future[Any], replies: object) -> None:
    if not answer.done():
        answer.set_result(replies)


class SimulatedActorDirectory:
    """See heartbeat.ActorDirectory."""

    def __init__(self, world: World, ray: SimulatedRay) -> None:
        self._ray = ray
        self._transport = SimulatedTransport(world, ray)

    async def ping(self, name: str) -> Heartbeat:
        heartbeat: Heartbeat = await self._transport.ask(name, lambda actor: actor.ping())
        return heartbeat

    async def existing(self) -> set[str]:
        return set(self._ray.slots)

    async def create(self, name: str) -> None:
        self._ray.create(name)

    async def start(self, name: str) -> None:
        slot = self._ray.create(name)
        # What is sent to an actor that is being created waits for it.
        while slot.newest is None and self._ray.slots.get(name) is slot:  # noqa: ASYNC110 - nobody would set an event
            await asyncio.sleep(LATENCY[1])
        await self.ready(name)

    async def ready(self, name: str) -> None:
        await self._transport.ask(name, lambda actor: actor.ready())

    async def replace(self, name: str, _heartbeat: Heartbeat | None) -> None:
        if name in self._ray.slots:
            self._ray.replace(self._ray.slots[name])

    async def passivate(self, name: str) -> None:
        with contextlib.suppress(HostUnreachableError, TimeoutError):
            await asyncio.wait_for(self._transport.ask(name, lambda actor: actor.passivate()), EVERY_SECONDS)

    async def end(self, name: str) -> None:
        if name in self._ray.slots:
            self._ray.passivate(self._ray.slots[name])

    async def nodes(self) -> set[str]:
        return {NODE}

    async def draining(self) -> set[str]:
        return set()

    async def move(self, _name: str, _node_id: str) -> None:
        raise AssertionError("there is one node")


class SimulatedSystem:
    """See system.System."""

    def __init__(self, world: World, ray: SimulatedRay, process: Process, number: int, settings: Settings) -> None:
        self._world = world
        self._ray = ray
        self._process = process
        self._number = number
        self._settings = settings

    def new_id(self) -> str:
        return self._world.new_id()

    def place(self) -> tuple[int, str, float]:
        return self._number, NODE, 0.0

    def settings(self) -> Settings:
        return self._settings

    def connect(self, _settings: Settings) -> Resources:
        return self._ray.connect(self._world, self._process)

    def actors(self, settings: Settings, connections: Resources) -> ActorClient:
        is_dedicated = settings.ticket_placement == "dedicated"
        transport = SimulatedTransport(self._world, self._ray)
        return ActorClient(connections.members, transport, connections.clock, is_dedicated=is_dedicated)

    def directory(self, _settings: Settings) -> SimulatedActorDirectory:
        return SimulatedActorDirectory(self._world, self._ray)

    def metrics(self, _settings: Settings) -> None:
        return None

    def end_actor(self) -> None:
        slot = next(one for one in self._ray.slots.values() if one.has(self._process))
        if slot.newest is not None and slot.newest.process is self._process:
            self._ray.passivate(slot)
        else:
            self._world.kill(self._process)
