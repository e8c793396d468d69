"""No event and no line of a log has a password, a token, an address, a payment method or an idempotency key in it.

Each secret that people send or are given has a mark that is nowhere else. After all that they can do, the streams and
what was logged meanwhile are searched for the marks.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import structlog
from bson import ObjectId
from pydantic import SecretStr

from actors.domain.charge_values import Charge
from actors.domain.purchase_commands import ResumePurchase
from actors.events import published
from actors.mail.templates import MailKind
from actors.storage.user_flags import email_key
from actors.supervision.user_events import UserEventRelay
from cli.up.embedded_servers import Server, start_redis
from config.settings import Settings
from holdfast.events.catalogue import BY_TYPE
from holdfast.events.event import Event
from holdfast.events.partitions import PARTITIONS, STREAM_KEYS
from tests.api.world import JSON
from tests.models.served_market import ServedMarket, served_market
from tests.support.eventually import eventually
from tests.support.log_lines import log_lines
from tests.support.refunding import later

# What the world may read; found in the streams, it shows that the search finds what is there.
TITLE = "zqxTITLEzqx"
# As Stripe's ids, client secrets, JSON web tokens and addresses of mail begin or look, whoever made them.
LOOKS_SECRET = re.compile(
    rb"(?:pm|pi|ch|re|seti|tok|ctoken|whsec|sk)_\w+|_secret_|\beyJ|[\w.]@\w|password|Bearer", re.IGNORECASE
)
# In a log words are joined by underscores, such as those of `purchase_step`, and what is about passwords may say so.
LOOKS_SECRET_IN_A_LOG = re.compile(
    rb"\b(?:pm|pi|ch|re|seti|tok|ctoken|whsec|sk)_\w+|_secret_|\beyJ|[\w.]@\w|Bearer", re.IGNORECASE
)
# Declined cards, and refunds that Stripe refuses.
REFUSALS = {HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.CONFLICT}


@dataclass
class Secrets:
    """The marks, each with what it was."""

    marks: dict[str, str] = field(default_factory=dict)

    def make(self, what: str) -> str:
        return self.keep(what, f"zq{secrets.token_hex(12)}")

    def keep(self, what: str, mark: str) -> str:
        self.marks[mark] = what
        return mark

    def found_in(self, text: bytes) -> set[str]:
        return {what for mark, what in self.marks.items() if mark.encode() in text}


@dataclass
class Someone:
    """A client that sends nothing but what is marked."""

    http: httpx.Client
    secrets: Secrets
    id: str = ""
    email: str = ""
    password: str = ""

    def sends(self, method: str, path: str, **body: object) -> JSON:
        key = {"Idempotency-Key": self.secrets.make("idempotency key")}
        response = self.http.request(method, path, json=body, headers=key)
        assert response.is_success or response.status_code in REFUSALS, response.text
        if session := self.http.cookies.get("session"):
            self.secrets.keep("session cookie", session)
        found: JSON = response.json() if response.content else {}
        return found

    def signs_up(self) -> None:
        self.email = f"{self.secrets.make('email')}@example.com"
        self.password = self.secrets.make("password")
        account = {"email": self.email, "password": self.password}
        self.id = self.sends("POST", "/api/users/signup", **account)["id"]
        for session in self.http.get("/api/users/sessions").json():
            self.secrets.keep("session id", session["id"])

    def changes_the_password(self, market: ServedMarket) -> None:
        new = self.secrets.make("new password")
        change = {"currentPassword": self.password, "newPassword": new}
        self.sends("POST", "/api/users/password", **change)
        self.sends("POST", "/api/users/signin", email=self.email, password=new)
        token = market.portal.call(
            market.services.email_tokens.make, MailKind.PASSWORD_RESET, self.id, email_key(self.email), market.clock()
        )
        self.secrets.keep("token of a mail", token)
        self.password = self.secrets.make("password after a reset")
        reset = {"token": token, "password": self.password}
        self.sends("POST", "/api/users/password/reset/confirm", **reset)
        self.sends("POST", "/api/users/signin", email=self.email, password=self.password)

    def makes_a_token(self) -> None:
        named = {"name": self.secrets.make("name of a token"), "scopes": ["read", "sell"]}
        token = self.sends("POST", "/api/tokens", **named)["token"]
        self.http.headers["Authorization"] = f"Bearer {self.secrets.keep('access token', token)}"

    def lists(self) -> str:
        return str(self.sends("POST", "/api/tickets", title=TITLE, price=12.5)["id"])

    def orders(self, ticket: str) -> str:
        return str(self.sends("POST", "/api/orders", ticketId=ticket)["id"])

    def pays(self, order: str, card: str) -> JSON:
        method = self.secrets.keep("payment method", f"pm_card_{card}_once_{secrets.token_hex(12)}")
        return self.sends("POST", "/api/payments", orderId=order, paymentMethod=method)

    def buys(self, ticket: str, card: str) -> str:
        order = self.orders(ticket)
        self.pays(order, card)
        return order


def everything_happens(market: ServedMarket, seller: Someone, buyer: Someone, waiter: Someone, admin: Someone) -> None:
    for person in (seller, buyer, waiter, admin):
        person.signs_up()
    seller.changes_the_password(market)
    seller.makes_a_token()
    ticket = seller.lists()
    seller.sends("PUT", f"/api/tickets/{ticket}", title=TITLE, price=15)
    someone_waits_and_is_declined(buyer, waiter, ticket)
    payment_is_confirmed_and_refunded(seller, buyer, seller.lists())
    order_is_cancelled_while_the_bank_asks(market, buyer, seller.lists())
    money_does_not_go_back(market, seller, buyer, admin)
    expired = seller.lists()
    buyer.orders(expired)
    market.clock.advance(901)
    waiter.orders(expired)
    buyer.sends("POST", f"/api/tickets/{expired}/waiting")
    seller.sends("POST", f"/api/tickets/{expired}/waiting/close")
    seller.sends("DELETE", f"/api/tickets/{seller.lists()}")
    someone_is_banned_for_a_while(market, waiter, buyer, admin)


def someone_waits_and_is_declined(buyer: Someone, waiter: Someone, ticket: str) -> None:
    order = buyer.orders(ticket)
    waiting = f"/api/tickets/{ticket}/waiting"
    waiter.sends("POST", waiting, maxPrice=20)
    waiter.sends("DELETE", waiting)
    waiter.sends("POST", waiting)
    buyer.sends("DELETE", f"/api/orders/{order}")
    waiter.pays(waiter.orders(ticket), "chargeDeclined")


def payment_is_confirmed_and_refunded(seller: Someone, buyer: Someone, ticket: str) -> None:
    order = buyer.orders(ticket)
    asked = buyer.pays(order, "authenticationRequired")
    answer = {"clientSecret": buyer.secrets.keep("client secret", asked["clientSecret"]), "outcome": "succeeds"}
    buyer.sends("POST", "/api/sandbox/authentications", **answer)
    buyer.sends("POST", "/api/payments", orderId=order)
    seller.sends("POST", f"/api/orders/{order}/refund")


def order_is_cancelled_while_the_bank_asks(market: ServedMarket, buyer: Someone, ticket: str) -> None:
    order = buyer.orders(ticket)
    buyer.secrets.keep("client secret", buyer.pays(order, "authenticationRequired")["clientSecret"])
    buyer.sends("DELETE", f"/api/orders/{order}")
    market.portal.call(market.market.resume, ResumePurchase(order))


def money_does_not_go_back(market: ServedMarket, seller: Someone, buyer: Someone, admin: Someone) -> None:
    market.portal.call(lambda: market.services.users.set_admin(admin.id, market.clock(), is_admin=True))
    failing = buyer.buys(seller.lists(), "refundFail")
    seller.sends("POST", f"/api/orders/{failing}/refund")
    disputed = buyer.buys(seller.lists(), "createDispute")
    market.portal.call(later, market.market)
    for order in (failing, disputed):
        market.portal.call(market.market.resume, ResumePurchase(order, reconcile=True))
    admin.sends("POST", f"/api/admin/failed-refunds/{failing}/resolve")
    seller.sends("POST", f"/api/orders/{disputed}/refund")


def someone_is_banned_for_a_while(market: ServedMarket, banned: Someone, buyer: Someone, admin: Someone) -> None:
    buyer.orders(banned.lists())
    admin.sends("PUT", f"/api/admin/users/{banned.id}/ban")
    admin.sends("DELETE", f"/api/admin/users/{banned.id}/ban")
    market.portal.call(market.services.unlisting.sweep)


async def _published(market: ServedMarket) -> set[str]:
    """The ids of all that has to be in the streams, after the round of the Supervisor that tells of users."""
    own = market.market.connections
    await UserEventRelay(own.pending_user_events, own.journal, own.stream, writer="supervisor").relay()
    return {event.id async for event in own.history.since(0, range(PARTITIONS))}


def entries_of(server: redis.Redis) -> list[dict[bytes, bytes]]:
    found: list[dict[bytes, bytes]] = []
    for key in STREAM_KEYS:
        answered: Any = server.xrange(key)
        found += [fields for _, fields in answered]
    return found


def text_of(entries: list[dict[bytes, bytes]]) -> bytes:
    return b"\n".join(part for fields in entries for pair in fields.items() for part in pair)


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_redis(Settings(data_dir=tmp_path_factory.mktemp("redis")))
    yield server
    server.stop()


@pytest.fixture
def market(mongodb_url: str, redis_server: Server, tmp_path: Path) -> Iterator[ServedMarket]:
    settings = Settings(
        holdfast_env="test",
        data_dir=tmp_path,
        mongodb_url=mongodb_url.replace("/holdfast", f"/secrets{ObjectId()}"),
        redis_url=redis_server.url,
        jwt_key=SecretStr("a key that only tests know and trust and which is long enough for HS512 as well"),
        rate_limits=False,
        payment_attempts=2,
        argon2_memory_kib=8_192,
        argon2_iterations=1,
    )
    with served_market(settings) as served:
        yield served


async def _what_happened(market: ServedMarket, server: redis.Redis) -> list[dict[bytes, bytes]]:
    ids = await _published(market)
    await eventually(lambda: ids <= {fields[b"id"].decode() for fields in entries_of(server)})
    return entries_of(server)


def streams_after_everything(market: ServedMarket, redis_url: str) -> tuple[Secrets, list[dict[bytes, bytes]]]:
    kept = Secrets()
    with ExitStack() as stack:
        server = stack.enter_context(redis.Redis.from_url(redis_url))
        url = market.http.base_url
        agent = {"User-Agent": kept.make("user agent")}
        people = [Someone(stack.enter_context(httpx.Client(base_url=url, headers=agent)), kept) for _ in range(4)]
        everything_happens(market, *people)
        return kept, market.portal.call(_what_happened, market, server)


def test_no_event_has_a_secret_in_it_whatever_people_do(market: ServedMarket, redis_server: Server) -> None:
    kept, entries = streams_after_everything(market, redis_server.url)
    text = text_of(entries)
    happened = {Event.of_fields(fields).subject for fields in entries}
    assert happened == {each.subject for each in BY_TYPE.values()}, "whatever is published has to be brought about here"
    assert set(kept.marks.values()) == {
        "email", "password", "new password", "password after a reset", "session cookie", "session id", "user agent",
        "token of a mail", "name of a token", "access token", "idempotency key", "payment method", "client secret",
    }  # fmt: skip
    assert TITLE.encode() in text, "the search finds what is there"
    assert kept.found_in(text) == set()
    assert LOOKS_SECRET.findall(text) == []


def test_no_line_of_a_log_has_a_secret_or_what_people_wrote_in_it(market: ServedMarket, redis_server: Server) -> None:
    with log_lines() as lines:
        kept, _ = streams_after_everything(market, redis_server.url)
    # Who reviews the market's security has to know which session: its number, which lets nobody in.
    reviewed = b"\n".join(line for line in lines.text.splitlines() if b'"event":"security"' in line)
    text = b"\n".join(line for line in lines.text.splitlines() if line not in reviewed)
    logged = {line.get("type") or line["event"] for line in lines.all()}
    assert logged >= {
        "request_answered",
        "stripe_called",
        "purchase_step",
        "OrderCreated",
        "ChargeRefunded",
        "security",
    }
    assert all("request" in line for line in lines.all("request_answered"))
    assert (kept.found_in(text), kept.found_in(reviewed)) == (set(), {"session id"})
    assert TITLE.encode() not in text
    assert LOOKS_SECRET_IN_A_LOG.findall(lines.text) == []


def test_payment_method_in_a_line_of_a_log_would_be_found() -> None:
    kept = Secrets()
    method = kept.keep("payment method", "pm_card_visa_once_17")
    with log_lines() as lines:
        structlog.get_logger().info("stripe_called", method=method)
    assert kept.found_in(lines.text) == {"payment method"}
    assert LOOKS_SECRET_IN_A_LOG.findall(lines.text) == [method.encode()]


def test_payment_method_in_an_event_would_be_found(
    market: ServedMarket, redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    rightly = published._charge

    def tells_all(charge: Charge) -> dict[str, Any]:
        return {**rightly(charge), "paymentMethod": charge.payment_method}

    monkeypatch.setattr(published, "_charge", tells_all)
    kept, entries = streams_after_everything(market, redis_server.url)
    assert kept.found_in(text_of(entries)) == {"payment method"}
    assert LOOKS_SECRET.findall(text_of(entries))


def test_secret_in_a_title_would_be_found(redis_server: Server) -> None:
    kept = Secrets()
    with redis.Redis.from_url(redis_server.url) as server:
        server.xadd(STREAM_KEYS[-1], {"data": f'{{"title":"{kept.make("password")}"}}'})
        assert kept.found_in(text_of(entries_of(server))) == {"password"}
