"""The alarm clock of a host, on a clock that is set by hand."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from actors.runtime.timers import LONGEST_SLEEP_SECONDS, Timers
from tests.support.eventually import eventually


class HandClock:
    def __init__(self) -> None:
        self.instant = 1_000

    def now(self) -> int:
        return self.instant


class Alarm:
    """Timers that run, and what they fired, call by call."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.fired: list[Sequence[Any]] = []
        self.timers = Timers(self.clock, self.fired.append)

    async def pass_of_the_loop(self) -> None:
        """Lets the timers look once at what was armed before: an alarm that is due at once is in the same look."""
        count = len(self.fired)
        self.timers.arm(self.clock.now() - 1, f"look {count}")
        await eventually(lambda: len(self.fired) > count)

    @property
    def commands(self) -> list[str]:
        return [command for fired in self.fired for command in fired if not command.startswith("look")]


@pytest.fixture
async def alarm() -> AsyncIterator[Alarm]:
    alarm = Alarm()
    running = asyncio.create_task(alarm.timers.run())
    yield alarm
    running.cancel()


async def test_nothing_fires_before_its_instant(alarm: Alarm) -> None:
    alarm.timers.arm(2_000, "wake")
    alarm.clock.instant = 1_999
    await alarm.pass_of_the_loop()
    assert alarm.commands == []


async def test_a_command_fires_at_its_instant(alarm: Alarm) -> None:
    alarm.timers.arm(2_000, "wake")
    alarm.clock.instant = 2_000
    await alarm.pass_of_the_loop()
    assert alarm.commands == ["wake"]


async def test_a_command_fires_without_anyone_polling(alarm: Alarm) -> None:
    alarm.timers.arm(2_000, "wake")
    await alarm.pass_of_the_loop()
    alarm.clock.instant = 2_000
    await eventually(lambda: alarm.commands == ["wake"], seconds=2 * LONGEST_SLEEP_SECONDS)


async def test_a_clock_that_is_set_forward_is_noticed_during_a_long_sleep(alarm: Alarm) -> None:
    alarm.timers.arm(1_000_000, "wake")
    await alarm.pass_of_the_loop()
    alarm.clock.instant = 1_000_000
    await eventually(lambda: alarm.commands == ["wake"], seconds=2 * LONGEST_SLEEP_SECONDS)


async def test_commands_due_together_fire_together_in_order(alarm: Alarm) -> None:
    for at, command in ((1_300, "c"), (1_100, "a"), (1_200, "b")):
        alarm.timers.arm(at, command)
    alarm.clock.instant = 1_301
    await alarm.pass_of_the_loop()
    assert alarm.fired == [["a", "b", "c", "look 0"]]


async def test_a_command_fires_once(alarm: Alarm) -> None:
    for _ in range(3):
        alarm.timers.arm(1_100, "wake")
    alarm.clock.instant = 5_000
    await alarm.pass_of_the_loop()
    await alarm.pass_of_the_loop()
    assert alarm.commands == ["wake"]
    assert len(alarm.timers) == 0


@pytest.mark.parametrize(("first", "second"), [(1_100, 3_000), (3_000, 1_100)])
async def test_a_command_that_is_armed_anew_fires_at_the_new_instant_only(
    alarm: Alarm, first: int, second: int
) -> None:
    alarm.timers.arm(first, "wake")
    alarm.timers.arm(second, "wake")
    alarm.clock.instant = second - 1
    await alarm.pass_of_the_loop()
    assert alarm.commands == []
    alarm.clock.instant = 5_000
    await alarm.pass_of_the_loop()
    assert alarm.commands == ["wake"]


async def test_a_command_can_be_armed_again_after_it_fired(alarm: Alarm) -> None:
    for instant in (1_100, 1_200):
        alarm.timers.arm(instant, "wake")
        alarm.clock.instant = instant
        await alarm.pass_of_the_loop()
    assert alarm.commands == ["wake", "wake"]


async def test_an_earlier_alarm_cuts_the_sleep_short(alarm: Alarm) -> None:
    alarm.timers.arm(1_000_000, "later")
    await alarm.pass_of_the_loop()
    alarm.timers.arm(1_000, "now")
    await eventually(lambda: alarm.commands == ["now"], seconds=LONGEST_SLEEP_SECONDS / 2)
    assert alarm.timers.next_at() == 1_000_000


async def test_without_alarms_there_is_no_next_one(alarm: Alarm) -> None:
    assert alarm.timers.next_at() is None


async def test_command_that_is_taken_back_does_not_fire_and_is_not_waited_for(alarm: Alarm) -> None:
    alarm.timers.arm(1_100, "wake")
    alarm.timers.arm(1_200, "stays")
    alarm.timers.disarm("wake")
    assert alarm.timers.next_at() == 1_200
    alarm.clock.instant = 5_000
    await alarm.pass_of_the_loop()
    assert alarm.commands == ["stays"]


async def test_commands_that_were_taken_back_take_no_memory(alarm: Alarm) -> None:
    alarm.timers.arm(900_000, "stays")
    for number in range(10_000):
        alarm.timers.arm(901_000, f"hold {number}")
        alarm.timers.disarm(f"hold {number}")
        assert len(alarm.timers) < 100
    for instant in range(10_000):
        alarm.timers.arm(1_000_000 + instant, "moved")
        assert len(alarm.timers) < 100
    alarm.clock.instant = 2_000_000
    await alarm.pass_of_the_loop()
    assert alarm.commands == ["stays", "moved"]
