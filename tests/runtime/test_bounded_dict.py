"""What is remembered by key is bounded: the entry that was written longest ago goes first."""

from actors.runtime.bounded_dict import BoundedDict


def test_the_entry_written_longest_ago_is_evicted() -> None:
    remembered: BoundedDict[str, int] = BoundedDict(2)
    remembered["a"], remembered["b"] = 1, 2
    remembered["a"] = 3
    remembered["c"] = 4
    assert dict(remembered) == {"a": 3, "c": 4}


def test_reading_an_entry_does_not_keep_it() -> None:
    remembered: BoundedDict[str, int] = BoundedDict(2)
    remembered["a"], remembered["b"] = 1, 2
    assert (remembered["a"], remembered.get("a")) == (1, 1)
    remembered["c"] = 3
    assert list(remembered) == ["b", "c"]


def test_an_update_with_more_than_there_is_room_for_leaves_the_last() -> None:
    remembered: BoundedDict[int, int] = BoundedDict(3)
    remembered[0] = 0
    remembered.update({number: number for number in range(1, 10)})
    assert list(remembered) == [7, 8, 9]


def test_the_owner_hears_of_evictions_and_not_of_deletions() -> None:
    evicted: list[str] = []
    remembered: BoundedDict[str, int] = BoundedDict(2, evicted.append)
    remembered["a"], remembered["b"] = 1, 2
    del remembered["a"]
    remembered["c"], remembered["d"] = 3, 4
    assert evicted == ["b"]
    remembered.pop("c")
    assert evicted == ["b"]
