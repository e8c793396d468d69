"""What Prometheus reads from a market that sold, refused, expired and refunded; and every command of the runbooks."""

import asyncio
import json
import os
import sys
from collections.abc import Collection
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.metrics.registry import METRICS
from benchmarks.support.running_market import RunningMarket
from config.ports import free_port
from tests.cluster.conftest import People
from tests.operations.test_monitoring import COMMANDS, EXPRESSIONS
from tests.support import promql

# Gauges are gone after two intervals, and Serve sets some of its own every ten seconds.
REPORT_MS = 6_000
SETTINGS = {
    "reservation_seconds": 8,
    "webhook_local_receivers": "on",
    "RAY_metrics_report_interval_ms": REPORT_MS,
}
pytestmark = [pytest.mark.cluster, pytest.mark.slow]

COMMAND_SECONDS = 60
# What is measured within two intervals, on a machine that is busy.
MEASURED_SECONDS = 60

# By name: the labels of each series.
Series = dict[str, list[dict[str, str]]]


async def _lives(people: People) -> set[str]:
    """Sell, decline, refuse, expire and refund something, and return ids that nobody may find in metrics."""
    seller, buyer, late = people(), people(), people()
    nowhere = {"url": f"http://127.0.0.1:{free_port()}/hook", "events": ["order.*"]}
    hook = await seller._http.post("/api/webhook-endpoints", json=nowhere)
    assert hook.status_code == 201, hook.text
    kept, returned, declined, expired = [await seller.lists() for _ in range(4)]
    orders = []
    cards = {kept["id"]: "pm_card_visa", returned["id"]: "pm_card_visa", declined["id"]: "pm_card_chargeDeclined"}
    for ticket_id, card in cards.items():
        orders.append((await buyer.reserves(ticket_id)).json()["id"])
        paid = await buyer.pays(orders[-1], card)
        assert paid.status_code == (201 if card == "pm_card_visa" else 402), paid.text
    orders.append((await buyer.reserves(expired["id"])).json()["id"])
    assert (await late.reserves(expired["id"])).status_code == 409
    assert (await seller._http.post(f"/api/orders/{orders[1]}/refund")).status_code in {200, 202}
    assert (await late._http.get("/")).status_code == 200
    return {seller.id, buyer.id, kept["id"], *orders}


async def _measured(market: RunningMarket) -> Series:
    (found,) = json.loads((market.folder / "prometheus.json").read_text())
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://{found['targets'][0]}/metrics")).text
    series: Series = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            series.setdefault(sample.name, []).append(dict(sample.labels))
    return series


def _missing(series: Series) -> list[str]:
    """What the registry, the alerts and the dashboard name, and nobody measures."""
    asked = [one for expression in EXPRESSIONS.values() for one in promql.asked(expression)]
    missing = [metric.exported for metric in METRICS.values() if metric.exported not in series]
    missing += [one.name for one in asked if one.name not in series]
    for one in asked:
        labels = {label for found in series.get(one.name, []) for label in found}
        missing += [f"{label} of {one.name}" for label in one.values.keys() - labels]
    happened = {found["event"] for found in series.get("ray_holdfast_events_total", [])}
    return missing + sorted({"OrderCompleted", "OrderExpired", "ChargeFailed", "ChargeRefunded"} - happened)


async def test_every_metric_is_measured_and_none_has_an_id(market: RunningMarket, people: People) -> None:
    ids = await _lives(people)
    async with asyncio.timeout(MEASURED_SECONDS):
        while missing := _missing(series := await _measured(market)):
            print("not measured yet:", missing, file=sys.stderr)  # noqa: T201 - why it took too long
            await asyncio.sleep(1)
    own = {name: found for name, found in series.items() if name in promql.OWN}
    assert {name for name in series if name.startswith("ray_holdfast_")} == own.keys()
    for name, found in own.items():
        _only_has_labels_of_the_registry(name, found)
    assert not [value for found in own.values() for one in found for value in one.values() if value in ids]
    assert sum(len(found) for found in own.values()) <= 200


def _only_has_labels_of_the_registry(name: str, found: Collection[dict[str, str]]) -> None:
    labels = promql.OWN[name].labels
    for one in found:
        of_ray = {label for label in one if label in promql.OF_EVERY_SERIES or label.startswith("otel_")}
        assert one.keys() - of_ray == labels.keys(), name
        for label, allowed in labels.items():
            assert one[label] in allowed if allowed is not None else one[label] in {"tickets-0", "payments-0"}, name


async def _run(market: RunningMarket, command: str) -> tuple[str, int | None, str]:
    python = Path(sys.executable).parent
    environment = {**market.environment, "PUBLIC_URL": market.url, "PATH": f"{python}{os.pathsep}{os.environ['PATH']}"}
    running = await asyncio.create_subprocess_shell(
        command, cwd=market.folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(running.communicate(), COMMAND_SECONDS)
    return command, running.returncode, said.decode()


async def test_every_command_of_the_runbooks_runs(market: RunningMarket) -> None:
    assert len(COMMANDS) >= 8
    # One at a time, as people give them: each starts a program.
    done = [await _run(market, command) for command in COMMANDS]
    failed = "\n".join(f"$ {command} exits with {code}\n{said}" for command, code, said in done if code != 0)
    assert not failed, failed
