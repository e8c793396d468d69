"""localstripe in a process and an environment of its own (it is GPL-3: run, never imported), behind the proxy."""

import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from bson import ObjectId
from pydantic import SecretStr

from config.ports import free_port
from config.settings import Settings
from tests.peers.proxy import Proxy
from tests.support.local_market import LocalMarket, local_market

LOCALSTRIPE = Path(__file__).parents[2] / ".venv-peers" / "bin" / "localstripe"
START_SECONDS = 20


@pytest.fixture(scope="session")
def localstripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a localstripe that lives as long as the test run."""
    if not LOCALSTRIPE.exists():
        pytest.fail("localstripe is not installed: run `make peers`")
    port, folder = free_port(), tmp_path_factory.mktemp("localstripe")
    url = f"http://127.0.0.1:{port}"
    command = [str(LOCALSTRIPE), "--port", str(port), "--from-scratch"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "localstripe does not answer"
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/js.stripe.com/v3/", timeout=1):  # noqa: S310 - a URL of our own
            return True
    except OSError:
        return False


@pytest.fixture
async def peer(localstripe: str) -> AsyncIterator[str]:
    """The address at which localstripe behaves as Stripe does, with nothing in it yet."""
    async with aiohttp.ClientSession() as http:
        async with http.delete(f"{localstripe}/_config/data"):
            pass
        server = TestServer(Proxy(localstripe, http).app())
        async with server:
            yield str(server.make_url("")).rstrip("/")


@pytest.fixture
async def market(peer: str, mongodb_url: str, redis_url: str) -> AsyncIterator[LocalMarket]:
    """A market that believes in a real Stripe: the same settings as in production, and STRIPE_API_BASE."""
    settings = Settings(
        mongodb_url=urlsplit(mongodb_url)._replace(path=f"/t{ObjectId()}").geturl(),
        redis_url=redis_url,
        jwt_key=SecretStr("a key that only tests know and trust"),
        stripe_key=SecretStr("sk_test_peer"),
        stripe_api_base=peer,
    )
    async with local_market(settings) as market:
        yield market
