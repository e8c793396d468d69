"""A page is looked for in windows that grow, from where it was found last."""

import pytest

from actors.storage.embedded.range_scan import WHOLE_LIST, ScanWindow, SortKey, WindowCache

UP, DOWN = 1, -1
ID = "0" * 23


def test_scan_windows_begin_at_the_guess_and_grow_slowly_over_all_positions() -> None:
    sort_key = SortKey(10, UP)
    ends = list(sort_key.ends(sort_key.guess(50)))
    assert [int(end[:10]) for end in ends[:4]] == [51, 52, 54, 58]
    assert ends == sorted(ends)
    assert int(ends[-1][:10]) > 99_999_999


def test_scan_windows_go_down_in_descending_lists() -> None:
    sort_key = SortKey(15, DOWN)
    ends = list(sort_key.ends(sort_key.guess(1_000_000)))
    assert [int(end[:15]) for end in ends[:3]] == [999_999, 999_997, 999_995]
    assert ends == sorted(ends, reverse=True)


@pytest.mark.parametrize(("direction", "number", "last"), [(UP, 55, 9_683_876_537), (DOWN, 3, 0)])
def test_scan_windows_end_where_positions_end(direction: int, number: int, last: int) -> None:
    sort_key = SortKey(10, direction)
    ends = list(sort_key.ends(sort_key.guess(5)))
    assert (len(ends), int(ends[-1][:10])) == (number, last)
    assert all(len(end) == 34 and end.isalnum() for end in ends), "no window ends below the least or above the largest"


@pytest.mark.parametrize(("direction", "end", "narrower"), [(UP, 6_600, 5_100), (DOWN, 3_400, 4_900)])
def test_after_a_crowded_scan_window_the_next_ends_a_sixteenth_of_the_way(
    direction: int, end: int, narrower: int
) -> None:
    sort_key = SortKey(10, direction)
    begin = f"{5_000:010d}{ID}0"
    first, second, *_ = sort_key.ends(sort_key.narrower(begin, f"{end:010d}{ID}0"))
    assert first == begin, "up to there is little"
    assert abs(int(second[:10]) - narrower) <= 1


def test_after_a_crowded_scan_without_an_end_windows_begin_small() -> None:
    sort_key = SortKey(10, UP)
    assert [int(end[:10]) for end in list(sort_key.ends(sort_key.narrower(50, None)))[:4]] == [50, 51, 52, 54]


def test_a_list_with_few_tickets_is_scanned_whole() -> None:
    assert list(SortKey(10, UP).ends(WHOLE_LIST)) == []


def test_scan_of_the_same_page_begins_where_it_was_found() -> None:
    sort_key = SortKey(15, DOWN)
    first, last = f"{900:015d}{ID}1", f"{800:015d}{ID}2"
    assert next(sort_key.ends(sort_key.reach(first, last, 2))) == last


def test_scan_of_the_next_page_reaches_eight_times_as_far_as_the_last() -> None:
    sort_key = SortKey(15, DOWN)
    first, last = f"{900:015d}{ID}0", f"{890:015d}{ID}0"
    end = next(sort_key.ends(sort_key.onward(last, sort_key.reach(first, last, 2))))
    assert int(end[:15]) in {809, 810}


def test_scan_after_an_unknown_position_begins_there() -> None:
    position = f"{5_000:010d}{ID}0"
    assert [int(end[:10]) for end in list(SortKey(10, UP).ends(SortKey(10, UP).guess_after(position)))[:3]] == [
        5_001, 5_002, 5_004
    ]  # fmt: skip
    assert next(SortKey(10, DOWN).ends(SortKey(10, DOWN).guess_after(position))) == f"{4_999:010d}{ID}0"


def test_window_cache_remembers_the_last_few_thousand_pages() -> None:
    windows = WindowCache[int]()
    for page in range(5_000):
        windows.remember(page, ScanWindow(page, 1))
    assert windows.of(0) is None
    assert windows.of(4_999) == ScanWindow(4_999, 1)
