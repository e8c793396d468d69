"""A market of its own for each test, in a database of its own."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from bson import ObjectId
from pydantic import SecretStr

from config.settings import Settings
from tests.support.local_market import LocalMarket, local_market


@pytest.fixture
def market_settings(mongodb_url: str, redis_url: str) -> Settings:
    own = urlsplit(mongodb_url)._replace(path=f"/t{ObjectId()}").geturl()
    return Settings(mongodb_url=own, redis_url=redis_url, jwt_key=SecretStr("a key that only tests know and trust"))


@pytest.fixture
async def market(market_settings: Settings) -> AsyncIterator[LocalMarket]:
    async with local_market(market_settings) as market:
        yield market
