"""What stands in the logs of every process of the market, and what never does."""

import json
import subprocess
import sys

SECRET = "4242-sesame"
PROGRAM = f"""
from dataclasses import dataclass, field
import structlog
from config import logs

logs.configure()
log = structlog.get_logger()

def fail(password):
    raise ValueError(password)

try:
    fail("{SECRET}")
except ValueError as error:
    log.exception("message_failed", host="tickets-0")
    failed = error
log.critical("job_ended", job="mark", exc_info=failed)

@dataclass
class Card:
    number: str = field(repr=False)

log.info("odd_facts", card=Card("{SECRET}"), counts={{1: 2}})
log.critical("job_ended", job="publish", exc_info=None)
try:
    raise RuntimeError("{SECRET}") from failed
except RuntimeError as error:
    log.critical("job_ended", job="carry-on", exc_info=ExceptionGroup("{SECRET}", [error]))
"""


def test_an_exception_is_its_type_and_its_frames_without_text_and_variables() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    handled, given, odd, none, group = map(json.loads, said.stderr.splitlines())
    for line in (handled, given):
        assert line["exception"] == "ValueError"
        assert line["frames"][-1].endswith(" fail")
    assert (handled["event"], handled["level"], handled["host"]) == ("message_failed", "error", "tickets-0")
    assert (odd["card"], odd["counts"]) == ("Card()", {"1": 2})
    assert "exception" not in none
    assert group["exception"] == "ExceptionGroup"
    (raised,) = group["causes"]
    assert raised["exception"] == "RuntimeError"
    assert [cause["exception"] for cause in raised["causes"]] == ["ValueError"]
    assert SECRET not in said.stderr
    assert "exc_info" not in said.stderr
