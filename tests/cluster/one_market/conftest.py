"""One market for all tests of this folder, which leave it as they found it: whole, if not untouched."""

from collections.abc import Iterator

import pytest

from benchmarks.support.running_market import RunningMarket
from tests.cluster.conftest import market_for


@pytest.fixture(scope="package")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMarket]:
    """A market in which nobody is refused another hold."""
    with market_for(tmp_path_factory, {"max_holds_per_buyer": 10_000}) as running:
        yield running
