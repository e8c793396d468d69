"""A real market with two replicas: mail, receipts, sign-out and bans reach everybody, and the logs tell it all."""

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from bson import ObjectId

from benchmarks.support.running_market import HOLDFAST, RunningMarket
from config.ray_environment import runtime_folder
from config.settings import Settings
from tests.cluster.conftest import People

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SETTINGS = {"api_replicas": 2}
PASSWORD = "correct horse battery"
MANY = 40
OTHERS = 100
OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
FIND = re.compile(r"^grep -rhF ORDER_OR_REQUEST_ID .* \| sort$", re.MULTILINE)
WHOLE_PATH = [
    "OrderCreated", "POST /api/orders 201", "POST /api/orders 200", "OrderAwaitingPayment", "ChargeCreated", "create",
    "confirm", "ChargeActionRequired", "POST /api/payments 202", "ChargeAuthorised", "OrderCompleted", "capture",
    "ChargeCompleted", "mail_sent",
]  # fmt: skip


def eventually(is_so: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextmanager
def client(market: RunningMarket, email: str = "") -> Iterator[httpx.Client]:
    """Somebody new who is signed in."""
    account = {"email": email or f"{ObjectId()}@example.com", "password": PASSWORD}
    with httpx.Client(base_url=market.url, timeout=30) as http:
        assert http.post("/api/users/signup", json=account).status_code == 201
        yield http


def mail(market: RunningMarket, kind: str) -> list[Path]:
    return sorted((market.folder / "mail").glob(f"{kind}-*.eml"))


def test_a_purchase_ends_with_a_receipt_and_a_refund_with_another_mail(market: RunningMarket) -> None:
    with client(market) as seller, client(market) as buyer:
        ticket = seller.post("/api/tickets", json={"title": "Hamlet", "price": 42.5}).json()
        order = buyer.post("/api/orders", json={"ticketId": ticket["id"]}).json()
        paid = buyer.post("/api/payments", json={"orderId": order["id"], "paymentMethod": "pm_card_visa"})
        assert paid.status_code == 201
        eventually(lambda: mail(market, "receipt"))
        assert "42.50 USD" in mail(market, "receipt")[-1].read_text()
        assert seller.post(f"/api/orders/{order['id']}/refund").status_code == 200
        eventually(lambda: mail(market, "refund"))


def test_a_forgotten_password_is_replaced_with_the_link_of_a_mail(market: RunningMarket) -> None:
    email = f"{ObjectId()}@example.com"
    with client(market, email) as person, httpx.Client(base_url=market.url, timeout=30) as elsewhere:
        assert elsewhere.post("/api/users/password/reset", json={"email": email}).status_code == 202
        eventually(lambda: mail(market, "password-reset"))
        (token,) = re.findall(r"#token=([A-Za-z0-9_-]{43})", mail(market, "password-reset")[-1].read_text())
        body = {"token": token, "password": "another horse battery"}
        assert elsewhere.post("/api/users/password/reset/confirm", json=body).status_code == 200
        eventually(lambda: {person.get("/api/orders").status_code for _ in range(MANY)} == {401})
        account = {"email": email, "password": body["password"]}
        assert elsewhere.post("/api/users/signin", json=account).status_code == 200


def test_a_ban_ends_sessions_on_every_replica_and_withdraws_tickets(market: RunningMarket) -> None:
    email = f"{ObjectId()}@example.com"
    with client(market, email) as admin, client(market) as seller:
        granted = [str(HOLDFAST), "admin", "grant", "--unverified", email]
        subprocess.run(granted, env=market.environment, cwd=market.folder, check=True, capture_output=True)
        ticket = seller.post("/api/tickets", json={"title": "Hamlet", "price": 42.5}).json()
        seller_id = seller.get("/api/users/currentuser").json()["currentUser"]["id"]
        assert admin.put(f"/api/admin/users/{seller_id}/ban").status_code == 204
        eventually(lambda: {seller.get("/api/orders").status_code for _ in range(MANY)} == {401})
        eventually(lambda: admin.get(f"/api/tickets/{ticket['id']}").json()["status"] == "withdrawn")


def test_a_refund_that_failed_is_paid_by_hand_and_the_operator_closes_it(market: RunningMarket) -> None:
    def command(*words: str) -> str:
        words = (str(HOLDFAST), "admin", "failed-refunds", *words)
        done = subprocess.run(words, env=market.environment, cwd=market.folder, check=True, capture_output=True)
        return done.stdout.decode()

    with client(market) as seller, client(market) as buyer:
        ticket = seller.post("/api/tickets", json={"title": "Hamlet", "price": 42.5}).json()
        order_id = buyer.post("/api/orders", json={"ticketId": ticket["id"]}).json()["id"]
        buyer.post("/api/payments", json={"orderId": order_id, "paymentMethod": "pm_card_refundFail"})
        assert seller.post(f"/api/orders/{order_id}/refund").json()["refund"] == "done"
        eventually(lambda: buyer.get(f"/api/orders/{order_id}").json()["refund"] == "failed")
        assert order_id in command("list")
        assert order_id in command("resolve", order_id)
        assert buyer.get(f"/api/orders/{order_id}").json()["refund"] == "paid_by_hand"
        assert order_id not in command("list")


def found(market: RunningMarket, word: str) -> list[dict[str, Any]]:
    """What the documented command finds in the logs."""
    (command,) = FIND.findall(OPERATIONS.read_text())
    session = runtime_folder(Settings(data_dir=market.folder)) / "ray/session_latest/logs"
    for documented, here in {
        "ORDER_OR_REQUEST_ID": word,
        "/tmp/hf-*/ray/session_latest/logs": str(session.resolve()),  # noqa: S108 - of the document
        ".holdfast/logs": str(market.folder / "logs"),
    }.items():
        assert documented in command
        command = command.replace(documented, here)
    done = subprocess.run(command, shell=True, check=True, capture_output=True, text=True)  # noqa: S602 - as documented
    return [json.loads(line) for line in done.stdout.splitlines()]


def step_of(line: dict[str, Any]) -> str:
    if line["event"] == "request_answered":
        return f"{line['method']} {line['route']} {line['status']}"
    return str(line.get("step") or (line.get("type") if line["event"] == "event_committed" else line["event"]))


def a_purchase_with_a_retry_and_the_banks_question(buyer: httpx.Client, ticket_id: str) -> tuple[str, str, str]:
    """The ids of the order, of the request that made it, and of the first one that paid."""
    reservation, key = {"ticketId": ticket_id}, {"Idempotency-Key": str(ObjectId())}
    ordered = buyer.post("/api/orders", json=reservation, headers=key)
    repeated = buyer.post("/api/orders", json=reservation, headers=key)
    assert (ordered.status_code, repeated.status_code) == (201, 200)
    order_id = ordered.json()["id"]
    payment = {"orderId": order_id, "paymentMethod": "pm_card_authenticationRequired"}
    asked = buyer.post("/api/payments", json=payment)
    assert asked.status_code == 202
    yes = {"clientSecret": asked.json()["clientSecret"], "outcome": "succeeds"}
    assert buyer.post("/api/sandbox/authentications", json=yes).status_code == 200
    assert buyer.post("/api/payments", json={"orderId": order_id}).status_code in {200, 201}
    return order_id, ordered.headers["x-request-id"], asked.headers["x-request-id"]


async def test_one_search_of_the_logs_shows_the_path_of_a_purchase_among_a_hundred(
    market: RunningMarket, people: People
) -> None:
    async def somebody_else_buys() -> str:
        other = people()
        order_id = str((await other.reserves((await seller.lists())["id"])).json()["id"])
        assert (await other.pays(order_id)).status_code == 201
        return order_id

    seller = people()
    ticket = await seller.lists()
    with client(market) as buyer:
        (order_id, ordering, paying), *others = await asyncio.gather(
            asyncio.to_thread(a_purchase_with_a_retry_and_the_banks_question, buyer, ticket["id"]),
            *(somebody_else_buys() for _ in range(OTHERS)),
        )
    await asyncio.to_thread(
        eventually, lambda: {"mail_sent", "webhook_handled"} <= {line["event"] for line in found(market, order_id)}
    )
    lines = found(market, order_id)
    assert {str(line["order"]) for line in lines} == {order_id}
    assert not {other for other in others if str(other) in json.dumps(lines)}
    steps = [step_of(line) for line in lines]
    assert [step for step in steps if step in WHOLE_PATH] == WHOLE_PATH, steps
    assert {"webhook_received", "webhook_handled", "purchase_step"} <= set(steps)
    of_the_order = {step_of(line) for line in found(market, ordering)}
    assert of_the_order == {"OrderCreated", "POST /api/orders 201"}
    of_the_payment = [step_of(line) for line in found(market, paying)]
    assert set(of_the_payment) >= set(WHOLE_PATH[3:9]) | {"purchase_step"}
    assert {line["order"] for line in found(market, paying)} == {order_id}
