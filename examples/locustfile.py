"""Load on a market with Locust: people browse, and others list a ticket, hold it, pay, and read the order.

Start the market with RATE_LIMITS=off, install Locust with `pip install locust`, and run:

    locust -f examples/locustfile.py --headless -u 20 -r 2 -t 1m --host http://localhost:8000

The model is closed: a user waits for each answer, and asks less while the market is slow. See docs/load.md.
"""

from typing import Any
from uuid import uuid4

from locust import HttpUser, between, task

PASSWORD = "correct horse battery staple"
PRICE = 42.50

# Locust sends neither `Origin` nor `Sec-Fetch-Site`, as only browsers do. A POST that names another origin is
# answered with 403.


class Visitor(HttpUser):
    """Somebody who reads, without an account."""

    weight = 4
    wait_time = between(1, 3)

    @task(2)
    def page(self) -> None:
        """Read the newest tickets, and one of them."""
        tickets = self.client.get("/api/tickets", name="page")
        if tickets.ok and tickets.json():
            self.client.get(f"/api/tickets/{tickets.json()[0]['id']}", name="ticket")

    @task
    def search(self) -> None:
        """Look for a title."""
        self.client.get("/api/tickets", params={"q": "hamlet"}, name="search")


class Buyer(HttpUser):
    """Somebody who buys tickets with a session, of a seller who lists them with an access token."""

    weight = 1
    wait_time = between(1, 3)

    def on_start(self) -> None:
        """Sign up both. A market hashes one password after the other, so let few users start a second."""
        self.sign_up("sam")
        token = {"name": "load test", "scopes": ["sell"], "expiresInDays": 1}
        made = self.client.post("/api/tokens", json=token, name="make token")
        made.raise_for_status()
        self.seller = {"Authorization": f"Bearer {made.json()['token']}"}
        self.client.cookies.clear()
        self.sign_up("bea")

    def sign_up(self, name: str) -> None:
        """Open an account. The client keeps the session cookie of the answer."""
        account = {"email": f"{name}-{uuid4().hex}@example.com", "password": PASSWORD}
        self.client.post("/api/users/signup", json=account, name="sign up").raise_for_status()

    @task
    def purchase(self) -> None:
        """List a ticket, hold it, pay, and read the order. A step that fails is in Locust's statistics."""
        ticket = self.create("list", "/api/tickets", {"title": "Hamlet, stalls A12", "price": PRICE}, self.seller)
        if ticket is None:
            return
        wanted = {"ticketId": ticket["id"], "expectedPrice": ticket["price"]}
        order = self.create("reserve", "/api/orders", wanted, {"Idempotency-Key": uuid4().hex})
        if order is None:
            return
        payment = {"orderId": order["id"], "paymentMethod": "pm_card_visa"}
        self.create("pay", "/api/payments", payment, {"Idempotency-Key": uuid4().hex})
        with self.client.get(f"/api/orders/{order['id']}", name="read order", catch_response=True) as read:
            if read.ok and read.json()["status"] != "complete":
                read.failure(f"the order is {read.json()['status']}")

    def create(self, name: str, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any] | None:
        """Return what came into being, or None after an answer of 400 or more."""
        answer = self.client.post(path, json=body, headers=headers, name=name)
        return answer.json() if answer.ok else None
