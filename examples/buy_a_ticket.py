"""Buy a ticket over the HTTP API: sign up, list, reserve, pay in the sandbox, read the order.

Run it against a market, which is at http://localhost:8000 after `make run`:

    .venv/bin/python examples/buy_a_ticket.py http://localhost:8000
"""

import sys
from uuid import uuid4

import httpx

PASSWORD = "correct horse battery staple"
PRICE = 42.50


def sign_up(person: httpx.Client, name: str) -> None:
    """Open an account. The client keeps the session cookie of the answer."""
    account = {"email": f"{name}-{uuid4().hex}@example.com", "password": PASSWORD}
    person.post("/api/users/signup", json=account).raise_for_status()


def buy(market: str) -> None:
    """Sell a ticket and buy it. Raises httpx.HTTPStatusError for an answer of 400 or more."""
    with httpx.Client(base_url=market) as seller, httpx.Client(base_url=market) as buyer:
        sign_up(seller, "sam")
        sign_up(buyer, "bea")
        listed = seller.post("/api/tickets", json={"title": "Hamlet, stalls A12", "price": PRICE}).raise_for_status()
        ticket = listed.json()
        print(f"listed    {ticket['title']}: {ticket['price']:.2f} {ticket['currency']}, {ticket['status']}")

        # `expectedPrice` is the price that the buyer saw. If the seller has changed it, the answer is 409.
        wanted = {"ticketId": ticket["id"], "expectedPrice": ticket["price"]}
        # The key makes a repeat safe: after a lost answer, the same request returns the same order.
        key = {"Idempotency-Key": uuid4().hex}
        order = buyer.post("/api/orders", json=wanted, headers=key).raise_for_status().json()
        print(f"reserved  order {order['status']}, to pay {order['price']:.2f}")

        # A test card of the sandbox. With a real Stripe account, Stripe's form makes the payment method.
        payment = {"orderId": order["id"], "paymentMethod": "pm_card_visa"}
        paid = buyer.post("/api/payments", json=payment, headers={"Idempotency-Key": uuid4().hex}).raise_for_status()
        print(f"paid      payment {paid.json()['status']}")

        order = buyer.get(f"/api/orders/{order['id']}").raise_for_status().json()
        print(f"bought    order {order['status']}")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the command and the address
        sys.exit("usage: buy_a_ticket.py URL")
    buy(sys.argv[1])
