"""What is told of a request in spans: its messages, the turns that decided them, commits and calls to Stripe."""

import gzip
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from threading import Thread
from typing import ClassVar

import httpx
import pytest
from bson import ObjectId
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import SecretStr

from actors.domain.purchase_commands import Pay
from actors.domain.ticket import TicketAnswer
from actors.runtime import spans, trace
from actors.runtime.mailbox import Envelope
from actors.runtime.trace import Traced, new_traceparent
from config.settings import Settings
from tests.models.served_market import served_market
from tests.support.local_market import LocalMarket
from tests.support.trading import a_hold, expect, held, listed

SECRET = "4242-sesame"


class Spans:
    """Those that ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def names_of(self, trace_id: str) -> set[str]:
        return {one.name for one in self.exporter.get_finished_spans() if trace_of(one) == trace_id}


def trace_of(span: ReadableSpan) -> str:
    assert span.context
    return f"{span.context.trace_id:032x}"


def id_of(span: ReadableSpan) -> int:
    assert span.context
    return int(span.context.span_id)


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def attribute(span: ReadableSpan, name: str) -> object:
    assert span.attributes
    return span.attributes.get(f"holdfast.{name}")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Spans:
    """Every span of this process, with a ratio of one."""
    return told_at(1.0, monkeypatch)


def told_at(ratio: float, monkeypatch: pytest.MonkeyPatch) -> Spans:
    monkeypatch.setattr(spans, "tracer", None)
    found = Spans()
    spans.use(SimpleSpanProcessor(found.exporter), ratio, "tests")
    return found


@pytest.fixture
def _no_trace() -> Iterator[None]:
    token = trace.current.set(None)
    yield
    trace.current.reset(token)


def sampled() -> str:
    return f"{new_traceparent()[:-2]}01"


def test_nothing_is_told_where_no_collector_is_named() -> None:
    spans.configure(None, 1.0, "tests")
    assert spans.tracer is None
    assert Envelope(Traced(a_hold("1" * 24), sampled()), 0, arrived=0.0).span is None


async def test_turn_is_linked_to_all_of_its_sampled_messages_and_says_how_they_were_decided(
    market: LocalMarket, told: Spans
) -> None:
    first, second, third = await listed(market, 3)
    one, other = sampled(), sampled()
    lost = a_hold(first)
    asked = [Traced(a_hold(first), one), a_hold(second), Traced(lost, other), Traced(a_hold(third), new_traceparent())]
    await market.ask_host(market.tickets, asked)
    won, refused = told.named("Reserve")
    (turn,) = told.named("turn")
    (commit,) = told.named("commit")
    assert {trace_of(won), trace_of(refused)} == {one[3:35], other[3:35]}
    assert parent_of(won) == int(one[36:52], 16)
    assert (attribute(won, "reply"), attribute(won, "events")) == ("TicketAnswer", ("OrderCreated",))
    assert (attribute(refused, "reply"), attribute(refused, "events")) == ("AlreadyReserved", ())
    assert (won.kind, commit.kind) == (SpanKind.CONSUMER, SpanKind.CLIENT)
    assert {link.context.span_id for link in turn.links} == {id_of(won), id_of(refused)}
    assert (parent_of(turn), parent_of(commit)) == (id_of(won), id_of(turn))
    assert attribute(turn, "messages") == 4
    wait = attribute(won, "wait_ms")
    assert isinstance(wait, float)
    assert wait >= 0
    assert str(attribute(commit, "commit")).startswith(market.tickets.host.writer)


@pytest.mark.usefixtures("_no_trace")
async def test_steps_of_a_payment_are_parts_of_its_message(market: LocalMarket, told: Spans) -> None:
    hold = await held(market, (await listed(market))[0])
    traceparent = sampled()
    await spans.handle_traced(Traced(Pay(hold.order_id, "pm_card_visa"), traceparent), market.purchases.handle)
    (pay,) = told.named("Pay")
    assert trace_of(pay) == traceparent[3:35]
    steps = {"StartPayment", "stripe create", "stripe confirm", "Sell", "stripe capture"}
    assert {parent_of(span) for name in steps for span in told.named(name)} == {id_of(pay)}
    assert told.names_of(traceparent[3:35]) >= steps | {"turn", "commit", "OpenCharge", "RecordCaptured"}
    (capture,) = told.named("stripe capture")
    assert attribute(capture, "order") == hold.order_id


@pytest.mark.usefixtures("_no_trace")
def test_failure_is_told_by_its_type_and_never_by_its_text(told: Spans) -> None:
    trace.current.set(sampled())
    with pytest.raises(ValueError, match=SECRET), spans.within("step", "CLIENT"):
        raise ValueError(SECRET)
    (step,) = told.named("step")
    assert (step.status.status_code, step.status.description) == (StatusCode.ERROR, "ValueError")
    assert SECRET not in step.to_json()


@pytest.mark.parametrize(("ratio", "flags"), [(0.0, "00"), (1.0, "01")])
def test_share_decides_for_requests_without_a_flag_and_the_flag_for_the_others(
    ratio: float,
    flags: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told_at(ratio, monkeypatch)
    new, flagged, unflagged = new_traceparent(), sampled(), new_traceparent()
    begun = [spans.begin_request(new, is_new=True)]
    begun += [spans.begin_request(given, is_new=False) for given in (flagged, unflagged)]
    contexts = [spans.traceparent_of(span) for span in begun if span is not None]
    assert [context[-2:] for context in contexts] == [flags, "01", "00"]
    assert [context[3:35] for context in contexts] == [given[3:35] for given in (new, flagged, unflagged)]


class Collector(BaseHTTPRequestHandler):
    """Remembers what it was sent."""

    got: ClassVar[Queue[tuple[str, bytes]]] = Queue()

    def do_POST(self) -> None:
        self.got.put((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


def test_spans_are_sent_to_the_collector_that_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "tracer", None)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        spans.configure(f"http://127.0.0.1:{server.server_port}", 1.0, "holdfast-tests")
        span = spans.begin("Reserve", sampled(), "CONSUMER")
        assert span
        span.end()
        path, body = Collector.got.get(timeout=20)
        server.shutdown()
        serving.join()
    content = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
    assert path == "/v1/traces"
    assert b"Reserve" in content
    assert b"holdfast-tests" in content


@pytest.fixture
def settings(mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        holdfast_env="test",
        data_dir=tmp_path_factory.mktemp("spans"),
        mongodb_url=mongodb_url.replace("/holdfast", f"/spans{ObjectId()}"),
        redis_url=redis_url,
        jwt_key=SecretStr("a key that only tests know and trust and which is long enough for HS512 as well"),
        rate_limits=False,
        argon2_memory_kib=8_192,
        argon2_iterations=1,
    )


def test_request_over_http_is_one_trace_down_to_stripe_and_its_id_is_that_of_the_trace(
    settings: Settings, told: Spans
) -> None:
    with served_market(settings) as market:
        seller, buyer = (
            httpx.Client(base_url=market.http.base_url, cookies={market.services.sessions.cookie: market.cookie(one)})
            for one in (market.account(), market.account())
        )
        ticket = seller.post("/api/tickets", json={"title": "Hamlet", "price": 20}).json()
        order = buyer.post("/api/orders", json={"ticketId": ticket["id"]})
        assert expect(int, order.status_code) == 201
        payment = {"orderId": order.json()["id"], "paymentMethod": "pm_card_visa"}
        paid = buyer.post("/api/payments", json=payment)
        assert paid.status_code == 201
        seller.close()
        buyer.close()
    (request,) = told.named("POST /api/payments")
    assert trace_of(request) == paid.headers["x-request-id"]
    assert (request.kind, request.parent) == (SpanKind.SERVER, None)
    assert request.attributes
    assert (request.attributes["http.route"], request.attributes["http.response.status_code"]) == ("/api/payments", 201)
    assert told.names_of(paid.headers["x-request-id"]) >= {
        "POST /api/payments", "StartPayment", "OpenCharge", "turn", "commit", "stripe create", "stripe confirm", "Sell",
        "stripe capture", "RecordCaptured",
    }  # fmt: skip
    assert told.names_of(order.headers["x-request-id"]) >= {"POST /api/orders", "Reserve", "turn", "commit"}
    assert TicketAnswer.__name__ in {attribute(span, "reply") for span in told.named("Reserve")}
