"""Accounts on a real market with two replicas: mail, receipts, sign-out and bans reach everybody."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from bson import ObjectId

from benchmarks.support.running_market import HOLDFAST, RunningMarket

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SETTINGS = {"api_replicas": 2}
PASSWORD = "correct horse battery"
MANY = 40


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
