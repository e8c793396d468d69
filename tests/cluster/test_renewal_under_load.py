"""`holdfast actors renew` renews every actor of a market under load, and nobody notices."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.support.running_market import HOLDFAST, RunningMarket, running_market
from config.ray_environment import client_environment
from config.settings import Settings
from tests.cluster.conftest import People
from tests.support.client import Person, seconds_until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SECONDS = 120
ROOT = Path(__file__).parents[2]
FILE = "holdfast.env"
TRADERS = 4
RENEWED = ["tickets-0", "tickets-1", "payments-0", "orders-0", "supervisor"]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMarket]:
    """A market with a file of settings."""
    folder = tmp_path_factory.mktemp("market")
    write_settings(folder, ticket_actors=1)
    with running_market(folder, holdfast_settings=str(folder / FILE), max_holds_per_buyer=10_000) as running:
        yield running


def write_settings(folder: Path, ticket_actors: int) -> None:
    (folder / FILE).write_text(f"TICKET_ACTORS={ticket_actors}\n")


async def renew(market: RunningMarket, ticket_actors: int) -> str:
    """Change the setting and give the command, as an operator does on a node of a cluster. Return what it says."""
    write_settings(market.folder, ticket_actors)
    environment = {
        **market.environment,
        "RAY_ADDRESS": (market.folder / "ray.address").read_text().strip(),
        **client_environment(Settings(data_dir=market.folder)),
        "MONGODB_URL": (market.folder / "database.address").read_text().strip(),
        "REDIS_URL": market.redis_url,
        "JWT_KEY": market.key,
    }
    command = [str(HOLDFAST), "actors", "renew"]
    ended = await asyncio.to_thread(
        subprocess.run, command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ended.returncode == 0, ended.stderr[-4_000:]
    return str(ended.stdout)


async def trade(seller: Person, buyer: Person, statuses: Counter[tuple[str, int]], done: asyncio.Event) -> None:
    """Sell and buy without end, and count what is answered."""
    while not done.is_set():
        ticket = await seller.lists()
        held = await buyer.reserves(ticket["id"])
        statuses["reserve", held.status_code] += 1
        statuses["read", (await buyer.reads_ticket(ticket["id"])).status_code] += 1
        if held.status_code == 201:
            statuses["pay", (await buyer.pays(held.json()["id"])).status_code] += 1


async def status_of_readiness(market: RunningMarket) -> int:
    async with httpx.AsyncClient() as http:
        return (await http.get(f"{market.url}/readyz")).status_code


async def test_all_actors_are_renewed_with_new_settings_under_load_without_a_failed_request(
    market: RunningMarket, people: People
) -> None:
    statuses: Counter[tuple[str, int]] = Counter()
    done = asyncio.Event()
    before = {one["name"]: one["writer"] for one in market.status()}
    async with asyncio.TaskGroup() as trading:
        for _ in range(TRADERS):
            trading.create_task(trade(people(), people(), statuses, done))
        try:
            said = await renew(market, ticket_actors=2)
        finally:
            done.set()
    assert said.splitlines() == [f"{name} renewed" for name in RENEWED]
    after = {one["name"]: one["writer"] for one in market.status()}
    assert sorted(after) == sorted(RENEWED)
    assert {name for name in before if before[name] == after[name]} == set()
    assert set(statuses) == {("reserve", 201), ("read", 200), ("pay", 201)}, statuses
    assert statuses["pay", 201] > TRADERS, "there was to be load"

    async def says_so() -> bool:
        return await status_of_readiness(market) == 503

    async def is_ready() -> bool:
        return await status_of_readiness(market) == 200

    # Replicas keep the settings that they started with, so they know of one ticket actor.
    await seconds_until(says_so, SECONDS)
    await renew(market, ticket_actors=1)
    await seconds_until(is_ready, SECONDS)
