"""One visit to the market: some requests over one connection, each measured, its answer judged and counted."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from cli.load.generator.connection import Answer, Connection, Target, encode
from cli.load.generator.tally import Outcome, Tally

# A request whose answer takes longer has none.
ANSWER_SECONDS = 30.0
_WRONG_KEPT = 20
_REASON_LENGTH = 80
# What the market, or a proxy before it, says while it cannot answer.
_NO_ANSWER: Mapping[int, tuple[Outcome, str]] = {
    HTTPStatus.ACCEPTED: (Outcome.UNKNOWN, "202 not decided yet"),
    HTTPStatus.SERVICE_UNAVAILABLE: (Outcome.UNAVAILABLE, "503"),
    HTTPStatus.BAD_GATEWAY: (Outcome.UNKNOWN, "502 from a proxy"),
    HTTPStatus.GATEWAY_TIMEOUT: (Outcome.UNKNOWN, "504 from a proxy"),
}
_SUCCESSES = frozenset((HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT))

Complaint = str | None
# What is wrong with a success, of its status and its JSON.
Check = Callable[[int, Any], Complaint]


@dataclass(slots=True)
class Person:
    """Somebody who is signed in, with the cookies that the market gave: it renews the session now and then."""

    id: str
    _cookies: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def cookie(self) -> str:
        """The Cookie header."""
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def keep(self, cookies: Iterable[str]) -> None:
        """Keep these cookies, as a browser does."""
        self._cookies.update((name, value) for name, _, value in (each.partition("=") for each in cookies))


@dataclass(slots=True)
class Counts:
    """What a generator counts, and the first wrong answers in words."""

    tally: Tally = field(default_factory=Tally)
    wrong: list[str] = field(default_factory=list)

    def take_wrong(self) -> tuple[str, ...]:
        """Return the wrong answers since the last call."""
        wrong, self.wrong = tuple(self.wrong), []
        return wrong


class Visit:
    """What a scenario asks through. Times are of `time.perf_counter`."""

    def __init__(self, connection: Connection, target: Target, counts: Counts, stage: int, intended: float) -> None:
        self._connection = connection
        self._host = target.authority
        self._counts = counts
        self._stage = stage
        # The first request was meant to be sent when the visit was; each later one when the scenario got to it.
        self._intended: float | None = intended

    async def ask(  # noqa: PLR0913 - all that a request can say
        self,
        operation: str,
        method: str,
        path: str,
        *,
        person: Person | None = None,
        body: dict[str, Any] | None = None,
        refusals: Collection[int] = (),
        check: Check | None = None,
    ) -> Any | None:  # noqa: ANN401 - JSON
        """Return the JSON of a right success, an empty dict if it has none; None of everything else.

        `refusals` are the statuses by which the market may refuse this.
        """
        content = b"" if body is None else orjson.dumps(body)
        raw = encode(method, path, self._host, person.cookie if person else "", content)
        sent = time.perf_counter()
        intended = sent if self._intended is None else self._intended
        self._intended = None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._connection.ask(raw)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            self._connection.close()
            self._count(operation, intended, sent, (Outcome.UNKNOWN, _without_answer(error)))
            return None
        if person is not None:
            person.keep(answer.cookies)
        outcome, reason, found = _judged(answer, refusals, check)
        if outcome is Outcome.WRONG:
            self._complain(f"{operation}: {reason}")
            reason = ""
        self._count(operation, intended, sent, (outcome, reason))
        return found if outcome is Outcome.MADE else None

    def _complain(self, complaint: str) -> None:
        if len(self._counts.wrong) < _WRONG_KEPT:
            self._counts.wrong.append(complaint)

    def _count(self, operation: str, intended: float, sent: float, ended: tuple[Outcome, str]) -> None:
        now = time.perf_counter()
        cell = self._counts.tally.cell(self._stage, operation)
        cell.corrected.record(now - intended)
        cell.uncorrected.record(now - sent)
        cell.outcomes[ended] += 1


def _without_answer(error: Exception) -> str:
    return f"no answer in {ANSWER_SECONDS:.0f} s" if isinstance(error, TimeoutError) else type(error).__name__


def _judged(answer: Answer, refusals: Collection[int], check: Check | None) -> tuple[Outcome, str, Any]:
    """Return the outcome, the reason for it, and the JSON of a success."""
    status = answer.status
    if status in _SUCCESSES:
        return _judged_success(answer, check)
    if status in _NO_ANSWER:
        return (*_NO_ANSWER[status], None)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status in refusals:
        reason = _reason(answer)
        if reason is None:
            return Outcome.WRONG, f"{status} without a reason", None
        return Outcome.REFUSED if status in refusals else Outcome.LIMITED, reason, None
    return Outcome.WRONG, f"answered with {status}", None


def _judged_success(answer: Answer, check: Check | None) -> tuple[Outcome, str, Any]:
    try:
        found = orjson.loads(answer.body) if answer.body else {}
        complaint = check(answer.status, found) if check is not None else None
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        complaint = f"{answer.status} that is not what was asked for"
    return (Outcome.WRONG, complaint, None) if complaint else (Outcome.MADE, "", found)


def _reason(answer: Answer) -> str | None:
    """Return the first sentence of the market's error, None if it is none. What is in it is a rule, never a person."""
    try:
        message = str(orjson.loads(answer.body)["errors"][0]["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        # HAProxy's own limit answers 429 before the market does.
        return str(answer.status) if answer.status == HTTPStatus.TOO_MANY_REQUESTS else None
    return f"{answer.status} {message.partition('. ')[0].rstrip('.')}"[:_REASON_LENGTH]
