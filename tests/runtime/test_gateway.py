"""The caller's side: messages travel together, are asked again, and never wait without bound."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from actors.domain.refusals import Overloaded, Unavailable
from actors.runtime.gateway import ONE_BY_ONE, ChannelLimits, Gateway
from actors.runtime.ports import HostUnreachableError, Instant
from tests.support.eventually import eventually

HOST = "tickets-0"
PATIENCE = 5_000


class SystemClock:
    def now(self) -> Instant:
        return int(time.monotonic() * 1000)


class FakeTransport:
    """Answers each message with its echo once the gate is open; `unreachable` calls fail before that."""

    def __init__(self, *, is_open: bool = True, unreachable: int = 0) -> None:
        self.calls: list[list[Any]] = []
        self.hosts: list[str] = []
        self.redelivered: list[bool] = []
        self.gate = asyncio.Event()
        self.unreachable = unreachable
        if is_open:
            self.gate.set()

    async def call(
        self,
        host: str,
        messages: Sequence[Any],
        deadline: Instant,  # noqa: ARG002 - this one has none
        *,
        redelivered: bool,
    ) -> list[Any]:
        self.calls.append(list(messages))
        self.redelivered.append(redelivered)
        self.hosts.append(host)
        if len(self.calls) <= self.unreachable:
            raise HostUnreachableError(host)
        await self.gate.wait()
        return [f"echo of {message}" for message in messages]


Ask = Callable[..., "asyncio.Task[Any]"]


def asking(gateway: Gateway) -> Ask:
    def ask(message: object, host: str = HOST, timeout_ms: int = PATIENCE) -> asyncio.Task[Any]:
        return asyncio.create_task(gateway.ask(host, message, timeout_ms))

    return ask


async def several(ask: Ask, messages: Sequence[object]) -> list[asyncio.Task[Any]]:
    """Asks in order, each in a pass of the event loop of its own."""
    tasks = []
    for message in messages:
        tasks.append(ask(message))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return tasks


# Travelling together


async def test_a_lonely_message_travels_at_once() -> None:
    transport = FakeTransport()
    assert await Gateway(transport, SystemClock()).ask(HOST, 1, PATIENCE) == "echo of 1"


async def test_messages_of_the_same_moment_travel_in_one_call() -> None:
    transport = FakeTransport()
    ask = asking(Gateway(transport, SystemClock()))
    await asyncio.gather(*(ask(number) for number in range(100)))
    assert transport.calls == [list(range(100))]


async def test_messages_that_arrive_while_calls_are_in_flight_travel_in_one_call() -> None:
    transport = FakeTransport(is_open=False)
    ask = asking(Gateway(transport, SystemClock(), ChannelLimits(in_flight=2)))
    tasks = await several(ask, range(10))
    assert transport.calls == [[0], [1]]
    transport.gate.set()
    await asyncio.gather(*tasks)
    assert transport.calls == [[0], [1], list(range(2, 10))]


async def test_a_call_carries_no_more_messages_than_allowed() -> None:
    transport = FakeTransport()
    ask = asking(Gateway(transport, SystemClock(), ChannelLimits(in_flight=1, batch=4)))
    await asyncio.gather(*(ask(number) for number in range(10)))
    assert [len(call) for call in transport.calls] == [4, 4, 2]


async def test_a_slow_host_does_not_hold_up_another() -> None:
    class OneIsSlow(FakeTransport):
        async def call(self, host: str, messages: Sequence[Any], deadline: Instant, *, redelivered: bool) -> list[Any]:
            if host == "tickets-1":
                return [f"echo of {message}" for message in messages]
            return await super().call(host, messages, deadline, redelivered=redelivered)

    transport = OneIsSlow(is_open=False)
    ask = asking(Gateway(transport, SystemClock(), ChannelLimits(in_flight=1)))
    slow = ask("slow")
    assert await ask("fast", "tickets-1") == "echo of fast"
    transport.gate.set()
    assert await slow == "echo of slow"


async def test_payments_never_travel_together() -> None:
    transport = FakeTransport(is_open=False)
    ask = asking(Gateway(transport, SystemClock(), ONE_BY_ONE))
    tasks = [ask(number) for number in range(20)] + await several(ask, range(20, 30))
    await eventually(lambda: len(transport.calls) == 30)
    assert {len(call) for call in transport.calls} == {1}
    transport.gate.set()
    await asyncio.gather(*tasks)


async def test_replies_find_their_callers() -> None:
    transport = FakeTransport()
    ask = asking(Gateway(transport, SystemClock(), ChannelLimits(in_flight=3, batch=7)))
    replies = await asyncio.gather(*(ask(number) for number in range(200)))
    assert replies == [f"echo of {number}" for number in range(200)]


async def test_a_caller_that_went_away_does_not_take_the_others_with_it() -> None:
    transport = FakeTransport(is_open=False)
    ask = asking(Gateway(transport, SystemClock()))
    gone, stays = ask("gone"), ask("stays")
    await eventually(lambda: bool(transport.calls))
    gone.cancel()
    transport.gate.set()
    assert await stays == "echo of stays"


@pytest.mark.parametrize("in_flight", [1, 2])
async def test_a_caller_that_asks_again_at_once_is_answered(in_flight: int) -> None:
    transport = FakeTransport(is_open=False)
    gateway = Gateway(transport, SystemClock(), ChannelLimits(in_flight=in_flight))

    async def ask_twice() -> object:
        await gateway.ask(HOST, "first", PATIENCE)
        return await gateway.ask(HOST, "second", PATIENCE)

    answer = asyncio.create_task(ask_twice())
    await eventually(lambda: len(transport.calls) == 1)
    others = await several(asking(gateway), range(1, in_flight))
    await eventually(lambda: len(transport.calls) == in_flight)
    transport.gate.set()
    async with asyncio.timeout(1):
        assert await answer == "echo of second"
    await asyncio.gather(*others)


# Asking again


async def test_a_host_that_cannot_be_reached_is_asked_again() -> None:
    transport = FakeTransport(unreachable=3)
    gateway = Gateway(transport, SystemClock())
    assert await gateway.ask(HOST, 1, PATIENCE) == "echo of 1"
    assert transport.calls == [[1]] * 4
    assert transport.redelivered == [False, True, True, True]
    assert gateway.counters.calls == 4
    assert gateway.counters.messages == 1


async def test_after_the_deadline_the_outcome_is_not_known() -> None:
    transport = FakeTransport(unreachable=1_000)
    clock = SystemClock()
    began = clock.now()
    assert await Gateway(transport, clock).ask(HOST, 1, timeout_ms=300) == Unavailable()
    assert 300 <= clock.now() - began < 1_500
    assert len(transport.calls) >= 3


async def test_a_host_that_never_answers_is_given_up_at_the_deadline() -> None:
    transport = FakeTransport(is_open=False)
    assert await Gateway(transport, SystemClock()).ask(HOST, 1, timeout_ms=200) == Unavailable()


async def test_messages_that_waited_for_a_host_are_answered_when_it_is_back() -> None:
    transport = FakeTransport(unreachable=2)
    ask = asking(Gateway(transport, SystemClock(), ChannelLimits(in_flight=1)))
    tasks = await several(ask, range(5))
    assert await asyncio.gather(*tasks) == [f"echo of {number}" for number in range(5)]


async def test_a_redelivered_message_does_not_travel_with_the_others() -> None:
    transport = FakeTransport()
    gateway = Gateway(transport, SystemClock())
    repeats = {2, 3}
    replies = await asyncio.gather(
        *(gateway.ask(HOST, number, PATIENCE, redelivered=number in repeats) for number in range(5))
    )
    assert replies == [f"echo of {number}" for number in range(5)]
    assert transport.calls == [[0, 1], [2, 3], [4]]
    assert transport.redelivered == [False, True, False]


async def test_without_retries_all_waiting_callers_hear_at_once_that_the_host_is_unreachable() -> None:
    transport = FakeTransport(unreachable=1)
    ask = asking(Gateway(transport, SystemClock(), retries=lambda _host: False))
    answers = await asyncio.gather(*(ask(number) for number in range(3)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {HostUnreachableError}
    assert transport.calls == [[0, 1, 2]]
    assert await ask(3) == "echo of 3"


async def test_without_retries_a_silent_host_counts_as_unreachable() -> None:
    transport = FakeTransport(is_open=False)
    gateway = Gateway(transport, SystemClock(), retries=lambda _host: False)
    tasks = [asyncio.create_task(gateway.ask(HOST, "first", 100))]
    await eventually(lambda: bool(transport.calls))
    tasks.append(asyncio.create_task(gateway.ask(HOST, "behind it", 50)))
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(answer) for answer in answers} == {HostUnreachableError}
    assert transport.calls == [["first"]]


# Bounds


@pytest.mark.parametrize("unreachable", [0, 1])
async def test_nothing_is_kept_of_hosts_that_nobody_waits_for(unreachable: int) -> None:
    gateway = Gateway(FakeTransport(unreachable=unreachable), SystemClock(), retries=lambda _host: False)
    asks = (gateway.ask(f"ticket-{number}", number, PATIENCE) for number in range(100))
    await asyncio.gather(*asks, return_exceptions=True)
    assert gateway._channels == {}


async def test_nothing_is_kept_of_a_host_whose_only_caller_went_away() -> None:
    transport = FakeTransport(is_open=False)
    gateway = Gateway(transport, SystemClock())
    caller = asking(gateway)("gone")
    await eventually(lambda: bool(transport.calls))
    caller.cancel()
    transport.gate.set()
    await eventually(lambda: gateway._channels == {})


async def test_over_the_bound_of_waiting_messages_the_answer_is_at_once() -> None:
    transport = FakeTransport(is_open=False)
    ask = asking(Gateway(transport, SystemClock(), ChannelLimits(in_flight=1, batch=1, waiting=3)))
    tasks = await several(ask, range(5))
    assert await tasks[4] == Overloaded()
    transport.gate.set()
    assert await asyncio.gather(*tasks[:4]) == [f"echo of {number}" for number in range(4)]
