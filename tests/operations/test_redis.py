"""Which Redis the market can use, and what it says of one that it cannot."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import structlog
from redis.asyncio import Redis

from benchmarks.support.running_market import HOLDFAST, RunningMarket
from config import redis_server
from config.redis_server import UnsuitableRedisError
from serve_app.security.rate_limits import RateLimits
from tests.simulation.contracts.examples import recorded
from tests.support.event_streams import an_event_stream, published_events
from tests.support.redis_servers import redis_with

KEEPS = ("--appendonly", "yes")
STARTS = [[HOLDFAST, "up"], [HOLDFAST, "actors", "renew"]]


def warnings_about(url: str) -> list[Any]:
    with structlog.testing.capture_logs() as logs:
        redis_server.check(url)
    return [entry for entry in logs if entry["log_level"] == "warning"]


@pytest.mark.parametrize("command", STARTS, ids=["up", "actors"])
def test_a_market_does_not_start_with_a_redis_cluster_and_says_so_in_one_line(
    tmp_path: Path, mongodb_url: str, command: list[str]
) -> None:
    with redis_with(tmp_path, "--cluster-enabled", "yes") as url:
        with pytest.raises(UnsuitableRedisError):
            redis_server.check(url)
        environment = RunningMarket(tmp_path).environment
        settings = {"REDIS_URL": url, "MONGODB_URL": mongodb_url}
        done = subprocess.run(
            command, env={**environment, **settings}, cwd=tmp_path, check=False, capture_output=True, text=True,
            timeout=60,
        )  # fmt: skip
    assert done.returncode != 0
    (line,) = [line for line in (done.stdout + done.stderr).splitlines() if "Cluster" in line]
    assert "REDIS_URL" in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("policy", "forgets"),
    [("allkeys-lru", True), ("allkeys-random", True), ("volatile-ttl", False), ("noeviction", False)],
)
def test_a_redis_that_deletes_events_to_make_room_is_warned_of(tmp_path: Path, policy: str, *, forgets: bool) -> None:
    with redis_with(tmp_path, *KEEPS, "--maxmemory", "100mb", "--maxmemory-policy", policy) as url:
        warnings = warnings_about(url)
    assert ["noeviction" in warning["fault"] for warning in warnings] == ([True] if forgets else [])


def test_a_redis_with_memory_without_end_is_not_warned_of(tmp_path: Path) -> None:
    with redis_with(tmp_path, *KEEPS, "--maxmemory-policy", "allkeys-lru") as url:
        assert warnings_about(url) == []


def test_a_redis_that_keeps_nothing_over_a_restart_is_warned_of(tmp_path: Path) -> None:
    with redis_with(tmp_path) as url:
        (warning,) = warnings_about(url)
    assert "appendonly" in warning["fault"]


def test_a_redis_that_is_away_holds_nobody_up() -> None:
    (warning,) = warnings_about("redis://127.0.0.1:1/0")
    assert warning["error"] == "ConnectionError"


ROOT = Path(__file__).parents[2]
USER = re.compile(r"^user (holdfast on >)PASSWORD (.+)$", re.MULTILINE)


async def test_the_access_list_in_the_documents_is_enough(tmp_path: Path) -> None:
    found = USER.search((ROOT / "docs" / "databases.md").read_text())
    assert found
    line = f"{found[1]}secret {found[2]}".split()
    with redis_with(tmp_path, *KEEPS, "--user", *line) as url:
        own = url.replace("redis://", "redis://holdfast:secret@")
        assert warnings_about(own) == []
        async with Redis.from_url(own) as client:
            await (await an_event_stream(client)).publish([recorded(1)])
            assert len(await published_events(client)) == 1
            async with client.pipeline(transaction=False) as asked:
                asked.set("holdfast:ready", 1, ex=60)
                assert await asked.execute() == [True]
            async with client.pubsub() as channel:
                await channel.subscribe("holdfast:revocations", "holdfast:changed-users")
                assert await client.publish("holdfast:revocations", "a 1") == 1
        limits = RateLimits(own, enabled=True)
        with structlog.testing.capture_logs() as logs:
            await limits.signup("203.0.113.7")
        await limits.close()
        assert [entry for entry in logs if entry["log_level"] == "warning"] == []
