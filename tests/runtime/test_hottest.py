"""Which entities most messages are for, counted in few places."""

import random

import pytest

from actors.runtime.hottest import SLOTS, WINDOW_SECONDS, Hottest


def cold(count: int) -> list[str]:
    return [f"cold-{number}" for number in range(count)]


def counted(messages: list[str], *, began: float = 100.0) -> Hottest:
    """Counts so many messages, each in a turn of its own, over a window."""
    hottest = Hottest()
    for place, entity_id in enumerate(messages):
        hottest.add(began + WINDOW_SECONDS * place / len(messages), {entity_id: 1})
    return hottest


def test_an_entity_with_a_third_of_all_messages_is_found_among_ten_thousand_others() -> None:
    messages = cold(10_000) + ["hot"] * 5_000
    random.Random(7).shuffle(messages)  # noqa: S311 - the same messages each time
    rate, hottest = counted(messages).rates(100.0 + WINDOW_SECONDS)
    assert rate == pytest.approx(len(messages) / WINDOW_SECONDS)
    assert max(hottest, key=lambda one: hottest[one]) == "hot"
    # What it got before it had its place for good is not known, and not made up.
    assert 0.9 * 5_000 < hottest["hot"] * WINDOW_SECONDS <= 5_000


def test_an_entity_is_not_credited_with_the_messages_of_whose_place_it_takes() -> None:
    messages = cold(1_000)
    _, hottest = counted(messages).rates(100.0 + WINDOW_SECONDS)
    assert set(hottest.values()) == {1 / WINDOW_SECONDS}


def test_there_are_never_more_entities_than_places() -> None:
    hottest = counted(cold(5_000))
    assert len(hottest.rates(100.0 + WINDOW_SECONDS)[1]) == SLOTS


def test_all_messages_of_a_turn_are_counted() -> None:
    hottest = Hottest()
    hottest.add(100.0, {"one": 30, "two": 10})
    rate, rates = hottest.rates(100.0 + WINDOW_SECONDS)
    assert (rate * WINDOW_SECONDS, rates["one"] * WINDOW_SECONDS) == (40, 30)


def test_what_was_hot_takes_no_place_from_what_is_hot_now() -> None:
    hottest = counted([f"hot-{number}" for number in range(SLOTS)] * 1_000)
    later = 100.0 + WINDOW_SECONDS
    for place in range(100):
        hottest.add(later + WINDOW_SECONDS * place / 100, {"new": 1, f"cold-{place}": 1})
    assert hottest.rates(later + WINDOW_SECONDS)[1]["new"] * WINDOW_SECONDS == pytest.approx(100, abs=1)


def test_nothing_is_hot_when_nothing_came_for_a_while() -> None:
    hottest = counted(["hot"] * 100)
    assert hottest.rates(100.0 + WINDOW_SECONDS)[1]
    assert hottest.rates(100.0 + 2 * WINDOW_SECONDS) == (0.0, {})


def test_looking_changes_nothing() -> None:
    hottest = counted(["hot"] * 100)
    assert hottest.rates(100.0 + WINDOW_SECONDS) == hottest.rates(100.0 + WINDOW_SECONDS)
