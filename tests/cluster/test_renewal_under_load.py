"""`holdfast actors renew`, `reload` and `scale` renew, add and end what a market under load runs on; nobody notices."""

import asyncio
import json
import secrets
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.support.running_market import HOLDFAST, RunningMarket, running_market
from tests.cluster.conftest import People
from tests.support.client import Person, seconds_until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.alone]

SECONDS = 120

ROOT = Path(__file__).parents[2]
FILE = "holdfast.env"
TRADERS = 4
# Without it those who trade take what new processes need to start.
THINK_SECONDS = 0.1
REPLICAS = 2
MANY_TRADERS = 8
TRADED = {("list", 201), ("reserve", 201), ("read", 200), ("pay", 201)}
RENEWED = ["tickets-0", "payments-0", "orders-0", "supervisor"]


@dataclass(frozen=True, slots=True)
class SignedWith:
    """A market of which somebody knows another key."""

    url: str
    key: str


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMarket]:
    """A market with a file of settings."""
    folder = tmp_path_factory.mktemp("market")
    write_settings(folder)
    settings: dict[str, str | int] = {
        "holdfast_settings": str(folder / FILE),
        "max_holds_per_buyer": 10_000,
        "api_replicas": REPLICAS,
    }
    with running_market(folder, **settings) as running:
        yield running


def write_settings(folder: Path) -> None:
    (folder / FILE).write_text("PAYMENT_ATTEMPTS=2\n")


async def renew(market: RunningMarket, *words: str) -> str:
    """Give the command, as an operator does. Return what it says."""
    command = begin(market, *words)
    said, told = await asyncio.to_thread(command.communicate, timeout=SECONDS)
    assert command.returncode == 0, told[-4_000:]
    return said


async def trade(seller: Person, buyer: Person, statuses: Counter[tuple[str, int]], done: asyncio.Event) -> None:
    """Sell and buy without end, and count what is answered."""
    while not done.is_set():
        await asyncio.sleep(THINK_SECONDS)
        listed = await seller.posts_ticket()
        statuses["list", listed.status_code] += 1
        if listed.status_code != 201:
            continue
        ticket_id = listed.json()["id"]
        held = await buyer.reserves(ticket_id)
        statuses["reserve", held.status_code] += 1
        statuses["read", (await buyer.reads_ticket(ticket_id)).status_code] += 1
        if held.status_code == 201:
            statuses["pay", (await buyer.pays(held.json()["id"])).status_code] += 1


def begin(market: RunningMarket, *words: str) -> "subprocess.Popen[str]":
    """Give a command of `holdfast`."""
    environment = {**market.environment, "COLUMNS": "120"}
    return subprocess.Popen(
        [HOLDFAST, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


async def scale(market: RunningMarket, *words: str) -> dict[str, Any]:
    command = begin(market, "scale", *words, "--at-once", "--json")
    said, told = await asyncio.to_thread(command.communicate, timeout=SECONDS)
    assert command.returncode == 0, told
    return dict(json.loads(said))


@pytest.mark.long  # `reload`, below, renews them as well
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
            said = await renew(market, "actors", "renew")
        finally:
            done.set()
    assert said.splitlines() == [f"{name} renewed" for name in RENEWED]
    after = {one["name"]: one["writer"] for one in market.status()}
    assert sorted(after) == sorted(RENEWED)
    assert {name for name in before if before[name] == after[name]} == set()
    assert set(statuses) == TRADED, statuses
    assert statuses["pay", 201] > TRADERS, "there was to be load"


async def test_a_key_is_rotated_in_two_steps_under_load_without_a_failed_request(
    market: RunningMarket, people: People
) -> None:
    old, new = market.key, secrets.token_hex(32)
    before = {replica.pid for replica in market.actors("ServeReplica:holdfast:Api")}
    newcomer = Person(SignedWith(market.url, new))
    assert (await newcomer.posts_ticket()).status_code == 401
    statuses: Counter[tuple[str, int]] = Counter()
    done = asyncio.Event()
    async with asyncio.TaskGroup() as trading:
        for _ in range(2):
            seller, buyer = (people(keeps_connections=False) for _ in range(2))
            trading.create_task(trade(seller, buyer, statuses, done))
        trading.create_task(sign_up(market, statuses, done))
        try:
            for keys in (f"{old},{new}", f"{new},{old}"):
                (market.folder / FILE).write_text(f"JWT_KEY={keys}\n")
                said = await renew(market, "reload")
                assert said.splitlines() == [*(f"{name} renewed" for name in RENEWED), "replicas of holdfast renewed"]
                await seconds_until(lambda: has_replicas(market, REPLICAS), SECONDS)
        finally:
            done.set()
    # A payment that met the renewal of its actor may be under way when it is answered, or be made by its first try.
    good = {*TRADED, ("sign up", 201), ("read self", 200)}
    assert good <= set(statuses) <= {*good, ("pay", 200), ("pay", 202)}, statuses
    assert (await newcomer.posts_ticket()).status_code == 201
    after = {replica.pid for replica in market.actors("ServeReplica:holdfast:Api")}
    assert (len(after), before & after) == (REPLICAS, set())
    await newcomer.leaves()


async def has_replicas(market: RunningMarket, number: int) -> bool:
    """Whether there are so many: those that were renewed have ended."""
    return len(await asyncio.to_thread(market.actors, "ServeReplica:holdfast:Api")) == number


async def sign_up(market: RunningMarket, statuses: Counter[tuple[str, int]], done: asyncio.Event) -> None:
    """Open accounts, and ask for each with the session that the market gave; any replica may answer."""
    while not done.is_set():
        transport = httpx.AsyncHTTPTransport(retries=2, limits=httpx.Limits(max_keepalive_connections=0))
        async with httpx.AsyncClient(base_url=market.url, transport=transport, timeout=30) as http:
            account = {"email": f"{secrets.token_hex(8)}@example.com", "password": secrets.token_hex(16)}
            signed_up = await http.post("/api/users/signup", json=account)
            statuses["sign up", signed_up.status_code] += 1
            for _ in range(4 if signed_up.status_code == 201 else 0):
                answer = await http.get("/api/users/currentuser")
                is_unknown = answer.status_code == 200 and answer.json()["currentUser"] is None
                statuses["read self", 401 if is_unknown else answer.status_code] += 1


@pytest.mark.long
async def test_actors_and_replicas_come_and_go_under_load_without_a_failed_request_also_when_actors_are_killed(
    market: RunningMarket, people: People
) -> None:
    statuses: Counter[tuple[str, int]] = Counter()
    done = asyncio.Event()
    async with asyncio.TaskGroup() as trading:
        for _ in range(MANY_TRADERS):
            seller, buyer = (people(keeps_connections=False) for _ in range(2))
            trading.create_task(trade(seller, buyer, statuses, done))
        try:
            actors = ("--ticket-actors", "4", "--order-actors", "2", "--payment-actors", "2")
            more = await scale(market, *actors, "--api-replicas", "3")
            assert await has_replicas(market, 3)
            at_once = statuses.total()
            fewer = asyncio.create_task(
                scale(market, "--ticket-actors", "2", "--order-actors", "1", "--api-replicas", "1")
            )
            await seconds_until(lambda: is_leaving(market), SECONDS)
            for victim in (*market.actors("Supervisor"), *market.actors("TicketActor")[-1:]):
                victim.kill()
            less = await fewer
        finally:
            done.set()
    assert await has_replicas(market, 1)
    assert (more["changed"], less["changed"]) == (True, True)
    assert (len(more["tickets"]), len(less["tickets"]), less["version"]) == (4, 2, more["version"] + 1)
    members = {*less["tickets"], *less["orders"], *less["payments"], "supervisor"}

    async def nobody_else_is_there() -> bool:
        return {one["name"] for one in await asyncio.to_thread(market.status)} == members

    await seconds_until(nobody_else_is_there, SECONDS)
    assert {status for _, status in statuses} <= {200, 201}, statuses
    assert statuses.total() > at_once > MANY_TRADERS, "there was to be load"


async def is_leaving(market: RunningMarket) -> bool:
    """Whether the next version is in force: then actors are on their way out."""
    shown = begin(market, "journal", "show", "market:membership", "--json")
    said, _ = await asyncio.to_thread(shown.communicate, timeout=SECONDS)
    return bool(json.loads(said)[-1]["data"]["reason"].startswith("scale --ticket-actors 2"))


@pytest.mark.long  # on the members that the test before it left
async def test_of_two_operators_at_the_same_time_one_is_refused_with_the_version_in_force(
    market: RunningMarket,
) -> None:
    commands = [begin(market, "scale", "--ticket-actors", number, "--at-once", "--no-wait") for number in ("1", "3")]
    ended = [await asyncio.to_thread(command.communicate, timeout=SECONDS) for command in commands]
    codes = [command.returncode for command in commands]
    assert sorted(codes) == [0, 1], ended
    assert "is in force" in ended[codes.index(1)][1]
