"""Load on a server over HTTP: from ``wrk`` where it is installed, otherwise from a generator of our own."""

import resource
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
    before = _cpu_seconds()
    result = send(port, requests, connections, expected, most_seconds)
    result.cpu_seconds = _cpu_seconds() - before
    return result


def _cpu_seconds() -> float:
    """CPU seconds of this process and of those it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)
