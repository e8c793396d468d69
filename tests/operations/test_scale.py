"""What `holdfast scale` and `pin` do without a market: steps, and one line for each mistake."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from actors.cluster.membership import MOST_PINNED, all_names, of_settings, resized
from actors.domain.membership import Hosts
from actors.runtime.ports import HostUnreachableError
from cli.main import app
from cli.members import changes
from cli.members.changes import NotChangedError, start_actor, steps_to, without_pin
from config.settings import Settings

ONE = of_settings(Settings())


def sizes(steps: tuple[Hosts, ...]) -> list[int]:
    return [len(hosts.tickets) for hosts in steps]


@pytest.mark.parametrize(
    ("before", "after", "steps"),
    [
        (1, 8, [2, 4, 8]),
        (8, 2, [4, 2]),
        (1, 2, [2]),
        (3, 5, [5]),
        (2, 100, [4, 8, 16, 32, 64, 100]),
        (9, 1, [5, 3, 2, 1]),
    ],
)
def test_each_step_has_at_most_twice_as_many_actors_or_half(before: int, after: int, steps: list[int]) -> None:
    begin = resized(ONE, {"tickets": before})
    end = resized(begin, {"tickets": after})
    taken = steps_to(begin, end)
    assert sizes(taken) == steps
    assert taken[-1] == end


def test_kinds_of_actors_change_in_the_same_steps() -> None:
    end = resized(ONE, {"tickets": 4, "orders": 2})
    assert [len(all_names(hosts)) for hosts in steps_to(ONE, end)] == [2 + 2 + 1, 4 + 2 + 1]


class FakeStarts:
    """Actors that die so many times while they start."""

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths
        self.tries = 0

    async def start(self, name: str) -> None:
        self.tries += 1
        if self.tries <= self.deaths:
            raise HostUnreachableError(name)


async def test_an_actor_that_dies_while_it_starts_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "EVERY_SECONDS", 0)
    starts = FakeStarts(deaths=2)
    await start_actor(starts.start, "tickets-1")
    assert starts.tries == 3


async def test_an_actor_that_never_starts_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(changes, "PATIENCE_SECONDS", 0.1)
    with pytest.raises(NotChangedError, match="tickets-1 did not start"):
        await start_actor(FakeStarts(deaths=1_000).start, "tickets-1")


def test_a_ticket_that_is_not_pinned_cannot_be_unpinned() -> None:
    with pytest.raises(NotChangedError, match="not pinned"):
        without_pin(ONE, "0" * 24)
    assert MOST_PINNED == 100


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["scale"], "say how many"),
        (["pin", "12"], "24 hexadecimal digits"),
        (["unpin", "TICKET"], "24 hexadecimal digits"),
        (["scale", "--ticket-actors", "0"], "--ticket-actors"),
        (["scale", "--api-replicas", "0"], "--api-replicas"),
    ],
)
def test_a_command_that_cannot_be_meant_ends_with_2_and_says_why(words: list[str], line: str) -> None:
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 2
    assert line in ended.stderr


def test_without_a_market_there_is_nothing_to_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    ended = CliRunner().invoke(app, ["scale", "--ticket-actors", "2"])
    assert (ended.exit_code, "no market runs" in ended.stderr) == (1, True)
