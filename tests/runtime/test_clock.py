"""The clock that all hosts share: which of the database's answers it goes by."""

from collections.abc import Sequence

import pytest

from actors.runtime.clock import DRIFT, MOST_SLEWED_SECONDS, REFRESH_SECONDS, SLEW, SharedClock
from actors.runtime.ports import StoreUnavailableError

AHEAD = 1_000_000.0


class Database:
    """Its clock is ahead of ours by a million seconds. Answers take as long as is said, and are made at their end.

    An answer that took long makes us believe that the database is later than it is, by half of that time.
    """

    def __init__(self, *seconds: float) -> None:
        self.takes = list(seconds)
        self.asked = 0
        self.ours = 50.0
        self.is_away = False
        self.ahead = AHEAD
        self.clock = SharedClock(self._ask, own=lambda: 7.0, monotonic=lambda: self.ours)

    @property
    def off(self) -> float:
        """By how many seconds the clock is later than the database's."""
        return round(self.clock.now() / 1000 - (self.ours + AHEAD), 2)

    async def look(self, *seconds: float) -> None:
        self.takes = list(seconds)
        await self.clock.refresh()

    async def _ask(self) -> float:
        if self.is_away:
            raise StoreUnavailableError
        self.asked += 1
        self.ours += self.takes.pop(0)
        return self.ours + self.ahead


async def test_before_the_first_look_a_clock_is_its_own() -> None:
    assert Database().clock.now() == 7_000


async def test_after_a_quick_answer_a_clock_is_the_databases_and_goes_on_with_ours() -> None:
    database = Database()
    await database.look(0.02)
    assert (database.off, database.asked) == (0.01, 1)
    database.ours += 3_600
    assert database.off == 0.01


@pytest.mark.parametrize(
    ("answers", "asked", "off"),
    [((8.0, 6.0, 4.0), 3, 2.0), ((4.0, 6.0, 8.0), 3, 2.0), ((8.0, 0.02), 2, 0.01), ((0.02,), 1, 0.01)],
)
async def test_the_first_answer_is_taken_whatever_it_is_and_a_slow_one_is_asked_for_again(
    answers: Sequence[float], asked: int, off: float
) -> None:
    database = Database()
    await database.look(*answers)
    assert (database.asked, database.off) == (asked, off)


async def test_a_slow_answer_is_not_taken_over_a_better_one_of_before() -> None:
    database = Database()
    await database.look(0.02)
    await database.look(6.0, 6.0, 6.0)
    assert (database.asked, database.off) == (4, 0.01)


async def test_a_slow_answer_is_taken_over_one_that_is_old() -> None:
    database = Database()
    await database.look(0.02)
    # By now our own clock may have gone astray by more than the answer is unsure.
    database.ours += 3.1 / DRIFT
    await database.look(6.0, 6.0, 6.0)
    assert database.off == 3.0


async def test_the_later_of_two_quick_answers_counts() -> None:
    database = Database()
    await database.look(0.02)
    database.ours += 60
    await database.look(0.06)
    assert (database.asked, database.off) == (2, 0.03)


async def test_a_better_answer_is_taken_at_once() -> None:
    database = Database()
    await database.look(0.06)
    await database.look(0.02)
    assert database.off == 0.01


@pytest.mark.parametrize("looked_before", [True, False])
async def test_a_clock_stays_as_it_is_while_the_database_is_away_and_the_caller_is_told(*, looked_before: bool) -> None:
    database = Database()
    if looked_before:
        await database.look(0.02)
    before = database.clock.now()
    database.is_away = True
    with pytest.raises(StoreUnavailableError):
        await database.clock.refresh()
    assert database.clock.now() == before
    database.is_away = False
    await database.look(0.02)
    assert database.off == 0.01


async def test_an_answer_from_before_the_database_went_away_counts() -> None:
    class GoesAway(Database):
        async def _ask(self) -> float:
            answer = await super()._ask()
            self.is_away = True
            return answer

    database = GoesAway()
    with pytest.raises(StoreUnavailableError):
        await database.look(8.0)
    assert database.off == 4.0


# Elections

ROUNDING = 0.01


@pytest.mark.parametrize("jump", [3.0, -3.0, MOST_SLEWED_SECONDS, -MOST_SLEWED_SECONDS])
async def test_after_an_election_time_neither_jumps_nor_goes_back_and_comes_to_the_new_primarys(jump: float) -> None:
    database = Database()
    await database.look(0.02)
    database.ahead += jump
    before = database.clock.now() / 1000
    passed = 0.0
    while passed < abs(jump) / SLEW + REFRESH_SECONDS:
        await database.look(0.02)
        for _ in range(int(REFRESH_SECONDS)):
            database.ours += 1.0
            passed += 1.0
            now = database.clock.now() / 1000
            assert 1.0 - SLEW - ROUNDING <= now - before <= 1.02 + SLEW + ROUNDING
            before = now
    assert database.clock.now() / 1000 == pytest.approx(database.ours + database.ahead, abs=0.05)


@pytest.mark.parametrize("jump", [3.0, -3.0])
async def test_a_clock_that_learns_of_an_election_later_is_never_far_from_one_that_learnt_at_once(jump: float) -> None:
    first, second = Database(), Database()
    for one in (first, second):
        await one.look(0.02)
    first.ahead += jump
    await first.look(0.02)
    second.ours += 0.02
    apart = []
    for passed in range(120):
        if passed == REFRESH_SECONDS:
            second.ahead += jump
        if not passed % REFRESH_SECONDS:
            await first.look(0.02)
            await second.look(0.02)
        apart.append(abs(first.clock.now() - second.clock.now()) / 1000)
        first.ours += 1.0
        second.ours += 1.0
    assert max(apart) <= SLEW * REFRESH_SECONDS + 0.05
    assert apart[-1] <= 0.05


async def test_a_clock_started_after_an_election_follows_the_new_primary_at_once() -> None:
    database = Database()
    database.ahead += 3.0
    await database.look(0.02)
    assert database.clock.now() / 1000 == pytest.approx(database.ours + AHEAD + 3.0, abs=ROUNDING + 0.01)


@pytest.mark.parametrize("slept", [8 * 3_600.0, -3_600.0])
async def test_a_machine_that_slept_has_the_right_time_at_its_next_look(slept: float) -> None:
    """Our monotonic clock stands still meanwhile, or somebody set the server's clock."""
    database = Database()
    await database.look(0.02)
    database.ahead += slept
    await database.look(0.02)
    assert database.clock.now() / 1000 == pytest.approx(database.ours + AHEAD + slept, abs=0.05)
