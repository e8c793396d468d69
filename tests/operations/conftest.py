"""The world of tests/api for tests of what stands in front of it; a bus and a market for those of commands."""

from tests.api.conftest import api, opened, settings, world
from tests.events.conftest import _short_waits, bus, bus_server, publisher
from tests.runtime.conftest import market, market_settings

__all__ = [
    "_short_waits", "api", "bus", "bus_server", "market", "market_settings", "opened", "publisher", "settings", "world",
]  # fmt: skip
