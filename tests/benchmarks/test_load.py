"""Both load generators find what is wrong: each is pointed at servers that lie."""

import asyncio
import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from benchmarks.load import http_load, wrk
from benchmarks.load.exchange import CONFLICT, CREATED, Expected, Request, request
from benchmarks.load.result import Result

REQUESTS = 40
CONNECTIONS = 4
SECONDS = 5
BUYER = "b" * 24
RESERVED = Expected(
    CREATED,
    frozenset({CONFLICT}),
    begins='{"id":"',
    names='"ticket":{"id":"',
    parts=('"status":"created"', '"price":25.0,'),
    fresh=True,
)

Answer = Callable[[int, str], tuple[int, str]]
GENERATORS = [
    pytest.param(http_load.run, id="ours"),
    pytest.param(
        wrk.run, id="wrk", marks=pytest.mark.skipif(wrk.version() is None, reason="wrk is not installed here")
    ),
]
Generator = Callable[[int, list[Request], int, Expected, float], Result]
with_both = pytest.mark.parametrize("generate", GENERATORS)


def an_id(number: int) -> str:
    return f"{number:024x}"


def order(number: int, ticket_id: str, **changes: object) -> str:
    view = {"id": an_id(number), "status": "created", "userId": BUYER, "price": 25.0, "version": 1}
    ticket = {"ticket": {"id": ticket_id, "title": "Benchmark", "price": 25.0}}
    return json.dumps({**view, **ticket, **changes}, separators=(",", ":"))


@contextmanager
def server(answer: Answer) -> Iterator[int]:
    """A server on a port of its own that answers the n-th question, about this ticket, so."""
    numbers = count(1)
    port: queue.SimpleQueue[int] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().partition("content-length:")[2].partition("\r\n")[0])
                ticket_id = json.loads(await reader.readexactly(length))["ticketId"]
                status, body = answer(next(numbers), ticket_id)
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def serve() -> None:
        serving = await asyncio.start_server(talk, "127.0.0.1", 0)
        port.put(serving.sockets[0].getsockname()[1])
        await stop.wait()
        serving.close()
        talks = asyncio.all_tasks() - {asyncio.current_task()}
        for each in talks:
            each.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0)  # the connections close

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        yield port.get(timeout=5)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def reservations() -> list[Request]:
    tickets = [an_id(1_000 + number) for number in range(REQUESTS)]
    return [
        request(
            "POST",
            "/api/orders",
            cookie="session=x",
            body=json.dumps({"ticketId": ticket_id}).encode(),
            key=ticket_id,
            parts=(f'"userId":"{BUYER}"',),
        )
        for ticket_id in tickets
    ]


def outcome(generate: Generator, answer: Answer) -> Result:
    with server(answer) as port:
        return generate(port, reservations(), CONNECTIONS, RESERVED, SECONDS)


@with_both
def test_each_request_is_sent_once_and_right_answers_are_counted(generate: Generator) -> None:
    asked: list[str] = []

    def answer(number: int, ticket_id: str) -> tuple[int, str]:
        asked.append(ticket_id)
        return CREATED, order(number, ticket_id)

    result = outcome(generate, answer)
    assert sorted(asked) == [an_id(1_000 + number) for number in range(REQUESTS)]
    assert (result.sent, result.successes, result.wrong, result.unanswered) == (REQUESTS, REQUESTS, [], 0)
    assert len(result.took) == REQUESTS
    assert 0 < result.seconds < SECONDS


@with_both
def test_refusals_are_counted_apart_by_their_status(generate: Generator) -> None:
    refusal = (CONFLICT, '{"errors":[{"message":"This ticket is reserved."}]}')
    result = outcome(generate, lambda number, ticket: refusal if number > 10 else (CREATED, order(number, ticket)))
    assert (result.successes, result.refusals, result.wrong) == (10, {CONFLICT: REQUESTS - 10}, [])
    assert len(result.took) == 10


@with_both
@pytest.mark.parametrize(
    ("lie", "complaint"),
    [
        (lambda number, _: (CREATED, order(number, an_id(77))), "is about something else"),
        (lambda _, ticket: (CREATED, order(5, ticket)), "came into being twice"),
        (lambda number, _: (CREATED, order(number, an_id(1_000))), ""),
        (lambda number, ticket: (CREATED, order(number, ticket, price=24.0)), 'lacks "price":25.0,'),
        (lambda number, ticket: (CREATED, order(number, ticket, status="cancelled")), 'lacks "status":"created"'),
        (lambda number, ticket: (CREATED, order(number, ticket, userId="c" * 24)), 'lacks "userId":"bbb'),
        (lambda *_: (CREATED, "{}"), "not what was asked for"),
        (lambda *_: (CONFLICT, "no"), "409 without its reason"),
        (lambda *_: (500, '{"errors":[{"message":"Oops"}]}'), "500 "),
        (lambda number, ticket: (200, order(number, ticket)), "200 "),
    ],
    ids=["ticket", "order-twice", "ticket-twice", "price", "status", "buyer", "shape", "refusal", "failure", "success"],
)
def test_a_lie_is_found(generate: Generator, lie: Answer, complaint: str) -> None:
    truth = REQUESTS - 1

    def answer(number: int, ticket_id: str) -> tuple[int, str]:
        return lie(number, ticket_id) if number != truth else (CREATED, order(number, ticket_id))

    result = outcome(generate, answer)
    assert result.successes + result.wrong_count == REQUESTS
    assert result.wrong_count >= REQUESTS - 3
    assert any(complaint in each for each in result.wrong)


@with_both
def test_requests_unanswered_at_the_end_are_neither_successes_nor_wrong(generate: Generator) -> None:
    asked: list[str] = []

    def answer(number: int, ticket_id: str) -> tuple[int, str]:
        asked.append(ticket_id)
        threading.Event().wait(0.1)  # the server's only thread, so that time is up before all are answered
        return CREATED, order(number, ticket_id)

    with server(answer) as port:
        result = generate(port, reservations(), CONNECTIONS, RESERVED, 1)
    assert 0 < result.successes < REQUESTS
    assert result.wrong == []
    assert result.sent == result.successes + result.unanswered
