"""Load from ``wrk``, with every answer checked by a script of ours.

wrk waits for an answer before it sends the next request of a connection, so a server that stands still is asked less
meanwhile: its percentiles are those of the requests that were sent, not of buyers who come whatever happens.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from math import ceil
from pathlib import Path

from benchmarks.load.exchange import Expected, Request
from benchmarks.load.result import Result

_SCRIPT = Path(__file__).parent / "lua" / "checked.lua"
_END = "\x1f"
_LINE = "\x1e"
# What wrk may take beyond its own time, in seconds: to read the requests and to write what came of them.
_GRACE_SECONDS = 60


class WrkError(Exception):
    """wrk could not be run, or did not say what came of it."""


@cache
def version() -> str | None:
    """What wrk calls itself, such as "wrk 4.1.0"; None when it is not on PATH."""
    program = shutil.which("wrk")
    if program is None:
        return None
    # It says its version and ends with status 1.
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    return " ".join(said.split()[:2])


def run(port: int, requests: Sequence[Request], connections: int, expected: Expected, most_seconds: float) -> Result:
    """Send every request once, or as many as the time allows (whole seconds). Raises WrkError."""
    with tempfile.TemporaryDirectory(prefix="holdfast-wrk-") as folder:
        prepared, outcome = Path(folder) / "requests", Path(folder) / "outcome"
        with prepared.open("w", newline="\n") as file:
            file.writelines(_lines(requests, expected))
        command = [
            "wrk",
            "--threads", "1",
            "--connections", str(connections),
            "--duration", f"{ceil(most_seconds)}s",
            "--timeout", "30s",
            "--script", str(_SCRIPT),
            f"http://127.0.0.1:{port}",
            "--", str(prepared), str(outcome),
        ]  # fmt: skip
        done = subprocess.run(  # noqa: S603 - a fixed command of ours
            command, capture_output=True, text=True, check=False, timeout=most_seconds + _GRACE_SECONDS
        )
        if not outcome.exists():
            raise WrkError(f"wrk ended with {done.returncode}: {done.stdout}{done.stderr}")
        return read(outcome.read_text().splitlines())


def read(lines: Iterable[str]) -> Result:
    """The result that the script wrote.

    Successes are timed one by one when they name their request. All else is wrk's own measure, of all answers alike.
    """
    result = Result(version() or "wrk")
    of_any: list[float] = []
    for line in lines:
        name, *values = line.split("\t")
        match name, values:
            case "refused", [status, times]:
                result.refusals[int(status)] = int(times)
            case "wrong", [text]:
                result.wrong.append(text)
            case "took", [seconds]:
                result.took.append(float(seconds))
            case "any", [seconds, times]:
                of_any.extend([float(seconds)] * int(times))
            case "seconds", [seconds]:
                result.seconds = float(seconds)
            case "sent" | "successes" | "wrong_count" | "reconnects", [count]:
                setattr(result, name, int(count))
            case _:
                raise WrkError(f"the script wrote {line!r}")
    result.took = result.took or of_any
    result.refused_took = of_any if result.refusals else []
    return result


def _lines(requests: Sequence[Request], expected: Expected) -> Iterator[str]:
    refusals = _listed(map(str, sorted(expected.refusals)))
    fresh = "fresh" if expected.fresh else ""
    yield f"{expected.status}\t{refusals}\t{expected.begins}\t{expected.names}\t{_listed(expected.parts)}\t{fresh}\t\n"
    for asked in requests:
        raw = asked.raw.decode().replace("\r\n", _LINE)
        yield f"{asked.key}\t{_listed(asked.parts)}\t{raw}\t\n"


def _listed(parts: Iterable[str]) -> str:
    return "".join(part + _END for part in parts)
