"""Each contract is kept by the real servers and by the fakes that stand for them in simulations.

By the real ones twice: as this kind of server is asked, and plainly, as MongoDB is.
"""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from bson import ObjectId
from pydantic import SecretStr

from actors.processes.servers import ProductionResources
from actors.storage import server
from actors.storage.server import MongoServer
from config.settings import Settings
from tests.simulation.contracts.parts import FakeParts, Parts, RealParts


@pytest.fixture(scope="session")
async def servers(mongodb_url: str, redis_url: str) -> AsyncIterator[ProductionResources]:
    """Connected to a database of our own. Its indexes take longer than most tests, so it is emptied and not remade."""
    own = urlsplit(mongodb_url)._replace(path=f"/t{ObjectId()}").geturl()
    key = SecretStr("a key that only tests know and trust")
    servers = ProductionResources(Settings(mongodb_url=own, redis_url=redis_url, jwt_key=key))
    await servers.prepare()
    yield servers
    await servers.redis.aclose()
    await servers.client.close()


@pytest.fixture
async def real_parts(servers: ProductionResources) -> RealParts:
    parts = RealParts(servers)
    await parts.empty()
    return parts


@pytest.fixture(params=["real", "plain", "fake"])
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Parts:
    if request.param == "fake":
        return FakeParts()
    real: RealParts = request.getfixturevalue("real_parts")
    if request.param == "plain":
        monkeypatch.setitem(server._known, real.client, MongoServer())
    return real
