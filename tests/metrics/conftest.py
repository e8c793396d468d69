from tests.api.conftest import opened, settings, world
from tests.runtime.conftest import market, market_settings

__all__ = ["market", "market_settings", "opened", "settings", "world"]
