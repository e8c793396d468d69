"""The clock that all hosts share: which of the database's answers it goes by."""

from collections.abc import Sequence

import pytest

from actors.runtime.clock import DRIFT, SharedClock
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
        return self.ours + AHEAD


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


async def test_of_two_quick_answers_the_later_one_counts() -> None:
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
async def test_while_the_database_is_away_nothing_changes_and_whoever_asks_hears_so(*, looked_before: bool) -> None:
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


async def test_what_was_heard_before_the_database_went_away_counts() -> None:
    class GoesAway(Database):
        async def _ask(self) -> float:
            answer = await super()._ask()
            self.is_away = True
            return answer

    database = GoesAway()
    with pytest.raises(StoreUnavailableError):
        await database.look(8.0)
    assert database.off == 4.0
