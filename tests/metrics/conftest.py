from tests.api.conftest import api, opened, settings, world
from tests.runtime.conftest import market, market_settings

__all__ = ["api", "market", "market_settings", "opened", "settings", "world"]
