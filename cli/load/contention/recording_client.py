"""Somebody who asks the market, and writes down what was asked and answered."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp

from cli.history.file import HistoryFile, Record, told
from cli.history.operations import Kind
from cli.load.http_sessions import MADE, PAUSE_SECONDS

# A request with a key is sent again for this long while its outcome is not known; it is one operation all the time.
PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask. `ticket` and `order` say what it is about, `arguments` what else matters of the body."""

    operation: Kind
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    ticket: str | None = None
    order: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """A certain answer, with the fields that matter."""

    status: int
    fields: Mapping[str, Any]

    @property
    def is_made(self) -> bool:
        """Whether what was asked for is there, and told of."""
        return self.status in MADE

    @property
    def is_success(self) -> bool:
        """Whether it was not refused."""
        return self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(slots=True)
class Seen:
    """What all clients saw: how many operations with a known outcome, how many without, and what is never right."""

    known: Counter[Kind] = field(default_factory=Counter)
    unknown: Counter[Kind] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in."""

    name: str
    cookie: str


class RecordingClient:
    """One process of a person: it asks one thing at a time. A person may have several."""

    def __init__(
        self, http: aiohttp.ClientSession, file: HistoryFile, seen: Seen, person: Person, process: str
    ) -> None:
        self._http = http
        self._file = file
        self._seen = seen
        self._person = person
        self._process = process

    async def ask(self, question: Call) -> Response | None:
        """Return the answer; None when the outcome is unknown."""
        headers = {"Cookie": self._person.cookie}
        arguments = dict(question.arguments)
        if question.keyed:
            arguments["key"] = headers["Idempotency-Key"] = secrets.token_hex(12)
        invoked = time.monotonic()
        status, answer = await self._send(question, headers)
        while question.keyed and answer is None and time.monotonic() - invoked < PATIENCE_SECONDS:
            await asyncio.sleep(PAUSE_SECONDS)
            status, answer = await self._send(question, headers)
        answered = time.monotonic()
        self._note(question, arguments, (invoked, answered), status, answer)
        return answer

    async def _send(self, question: Call, headers: Mapping[str, str]) -> tuple[int | None, Response | None]:
        """Return what came as status, and the answer if it is certain."""
        try:
            async with self._http.request(
                question.method, question.path, json=question.body, headers=headers
            ) as answer:
                body = await answer.json() if answer.status != HTTPStatus.NO_CONTENT else None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None, None
        status = answer.status
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.SERVICE_UNAVAILABLE:
            self._seen.wrong.append(f"{question.operation} was answered with {status}")
        if status == HTTPStatus.ACCEPTED or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return status, None
        return status, Response(status, told(question.operation, body))

    def _note(
        self,
        question: Call,
        arguments: Mapping[str, Any],
        times: tuple[float, float],
        status: int | None,
        answer: Response | None,
    ) -> None:
        (self._seen.unknown if answer is None else self._seen.known)[question.operation] += 1
        ticket, order = question.ticket, question.order
        if answer is not None and answer.is_made and question.operation is Kind.LIST:
            ticket = answer.fields["id"]
        if answer is not None and answer.is_made and question.operation is Kind.RESERVE:
            order = answer.fields["id"]
        invoked, answered = times
        self._file.add(
            Record(
                process=self._process,
                person=self._person.name,
                operation=question.operation,
                ticket=ticket,
                order=order,
                arguments=arguments,
                invoked=invoked,
                answered=None if answer is None else answered,
                status=status,
                answer={} if answer is None else answer.fields,
            )
        )
