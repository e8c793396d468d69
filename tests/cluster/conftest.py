from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.support import databases
from benchmarks.support.running_market import RunningMarket, running_market
from tests.support import database_choice
from tests.support.client import Person

People = Callable[..., Person]


@contextmanager
def market_for(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str | int]) -> Iterator[RunningMarket]:
    """A market with these settings, on the database that the tests are given."""
    folder: Path = tmp_path_factory.mktemp("market")
    with databases.running(database_choice.choice()) as server:
        address = {} if server is None else {"mongodb_url": server.url}
        with running_market(folder, **settings, **address) as running:
            yield running


@pytest.fixture(scope="module")
def market(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMarket]:
    """A market with the settings that the module asks for in SETTINGS, or that a parameter gives."""
    settings = {**getattr(request.module, "SETTINGS", {}), **getattr(request, "param", {})}
    with market_for(tmp_path_factory, settings) as running:
        yield running


@pytest.fixture
async def people(market: RunningMarket) -> AsyncIterator[People]:
    """Make people; they leave at the end."""
    here: list[Person] = []

    def person(*, keeps_connections: bool = True) -> Person:
        here.append(Person(market, keeps_connections=keeps_connections))
        return here[-1]

    yield person
    for each in here:
        await each.leaves()
