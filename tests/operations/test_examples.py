"""The examples do what their README says."""

import re
import runpy
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest
import redis
from bson import ObjectId
from pydantic import SecretStr

from cli.up.embedded_servers import Server, start_redis
from config.settings import Settings
from tests.models.served_market import ServedMarket, served_market
from tests.support import locust_stand_in

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 60
ID = re.compile(r"[0-9a-f]{24}")


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[Server]:
    server = start_redis(Settings(data_dir=tmp_path / "redis"))
    yield server
    server.stop()


@pytest.fixture
def settings(mongodb_url: str, redis_server: Server, tmp_path: Path) -> Settings:
    return Settings(
        holdfast_env="test",
        data_dir=tmp_path,
        mongodb_url=mongodb_url.replace("/holdfast", f"/example{ObjectId()}"),
        redis_url=redis_server.url,
        jwt_key=SecretStr("a key that only tests know and trust and which is long enough for HS512 as well"),
        argon2_memory_kib=8_192,
        argon2_iterations=1,
    )


@pytest.fixture
def market(settings: Settings) -> Iterator[ServedMarket]:
    with served_market(settings) as served:
        yield served


def shown(heading: str) -> str:
    """What the README says that an example prints, with the same word for each id."""
    section = (EXAMPLES / "README.md").read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found = re.search(r"print(?:s|ed):\n\n```\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return ID.sub("ID", found[1])


def buy(market: ServedMarket) -> str:
    run = subprocess.run(
        [sys.executable, EXAMPLES / "buy_a_ticket.py", str(market.http.base_url)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@contextmanager
def running(example: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """The example, which is ended with Ctrl-C."""
    command: Sequence[object] = (sys.executable, EXAMPLES / example, *arguments)
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        # One that prints too little is ended, and what it said is compared.
        deadline = Timer(SECONDS, process.kill)
        deadline.start()
        try:
            yield process
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate()
            assert (process.returncode, rest, errors) == (0, "", "")
        finally:
            deadline.cancel()
            process.kill()


def printed(process: subprocess.Popen[str], like: str) -> str:
    """As many lines as `like` has, with the same word for each id."""
    assert process.stdout is not None
    return ID.sub("ID", "".join(process.stdout.readline() for _ in like.splitlines()))


def test_example_purchase_prints_what_its_readme_shows(market: ServedMarket) -> None:
    assert buy(market) == shown("Buy a ticket")


def test_example_consumer_prints_what_its_readme_shows(market: ServedMarket, redis_server: Server) -> None:
    with running("consume_events.py", redis_server.url) as consumer:
        buy(market)
        assert printed(consumer, shown("Follow the events")) == shown("Follow the events")


def test_example_service_counts_each_sale_once_also_after_redis_lost_everything(
    market: ServedMarket, redis_server: Server, settings: Settings, tmp_path: Path
) -> None:
    keeper = market.market.connections.epoch_keeper(settings)
    header, sale = shown("Count the sales").splitlines(keepends=True)
    one_sale, two_sales = f"{header}{sale}\n", f"{header}{sale}{sale}\n"
    with running("sales_statistics.py", redis_server.url, tmp_path / "sales.db") as service:
        buy(market)
        assert printed(service, one_sale) == one_sale
    with redis.Redis.from_url(redis_server.url) as server:
        server.flushall()
    market.portal.call(keeper.round)
    with running("sales_statistics.py", redis_server.url, tmp_path / "sales.db") as service:
        buy(market)
        assert printed(service, two_sales) == two_sales


def load(market: ServedMarket, locustfile: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Counter[str], list[str]]:
    """What one user of each kind was answered, by the names of requests, and what failed."""
    monkeypatch.setitem(sys.modules, "locust", locust_stand_in)
    there = runpy.run_path(str(locustfile))
    answered, failures = Counter[str](), []
    for kind in ("Buyer", "Visitor"):
        user = there[kind](str(market.http.base_url).rstrip("/"))
        user.does_each_task_once()
        answered += user.client.answered
        failures += user.client.failures
    return answered, failures


def test_example_locustfile_buys_and_browses_without_a_failure(
    market: ServedMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"Cookie": f"session={market.cookie(market.account())}"}
    on_sale = market.http.post("/api/tickets", json={"title": "For visitors", "price": 20.0}, headers=headers).json()
    answered, failures = load(market, EXAMPLES / "locustfile.py", monkeypatch)
    assert failures == []
    assert market.http.get("/api/tickets").json() == [on_sale]
    once = ("make token", "list", "reserve", "pay", "read order", "page", "ticket", "search")
    assert answered == {"sign up": 2, **dict.fromkeys(once, 1)}


def test_example_locustfile_reports_an_order_that_was_not_paid(
    market: ServedMarket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    declined = tmp_path / "locustfile.py"
    declined.write_text((EXAMPLES / "locustfile.py").read_text().replace("pm_card_visa", "pm_card_chargeDeclined"))
    _, failures = load(market, declined, monkeypatch)
    assert failures == ["pay: 402", "read order: the order is cancelled"]
