"""Load on a server over HTTP: from ``wrk`` where it is installed, otherwise from a generator of our own."""

from collections.abc import Sequence

from benchmarks.load import http_load, wrk
from benchmarks.load.exchange import Expected, Request
from benchmarks.load.result import Result


def generator() -> str:
    """Who makes the load, for the report."""
    return wrk.version() or http_load.NAME


def run(port: int, requests: Sequence[Request], connections: int, expected: Expected, most_seconds: float) -> Result:
    """Send every request once, or as many as the time allows, and check every answer.

    Raises wrk.WrkError when wrk did not do its work.
    """
    send = wrk.run if wrk.version() else http_load.run
    return send(port, requests, connections, expected, most_seconds)
