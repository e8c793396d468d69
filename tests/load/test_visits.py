"""Each answer is judged by what it says: made, refused, limited, unavailable, unknown, or wrong."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from cli.load.generator import visit as visits
from cli.load.generator.connection import Connection, Target, encode, local
from cli.load.generator.tally import Outcome
from cli.load.generator.visit import Counts, Person, Visit
from cli.load.scenarios.reserve import hold
from cli.load.scenarios.stock import Stock

BUYER, OTHER = Person("b" * 24), Person("c" * 24)
TICKET = "f" * 24
REFUSAL = '{"errors":[{"message":"Somebody holds this ticket. It is for sale again if they let go."}]}'


def order(**changes: object) -> str:
    view = {"id": "e" * 24, "userId": BUYER.id, "status": "created", "price": 25.0, "ticket": {"id": TICKET}}
    return json.dumps({**view, **changes})


def response(status: int, body: str) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncIterator[Target]:
    """A server that answers with these one after the other, whatever it is asked; with nothing it hangs up."""
    waiting = list(answers)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                answer = waiting.pop(0) if waiting else b""
                writer.write(answer)
                if not answer:
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield local(server.sockets[0].getsockname()[1])


def a_stock() -> Stock:
    return Stock(None, (BUYER,), (TICKET,))


async def outcome(answer: bytes, stock: Stock | None = None, person: Person = BUYER) -> tuple[Outcome, str, list[str]]:
    """What is counted of a reservation that is answered so, and the complaints."""
    counts = Counts()
    async with serving(answer) as target:
        connection = Connection(target)
        await hold(Visit(connection, target, counts, 0, time.perf_counter()), stock or a_stock(), person, TICKET)
        connection.close()
    ((found, reason),) = counts.tally.cell(0, "reserve").outcomes
    return found, reason, counts.wrong


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (201, order(), (Outcome.MADE, "")),
        (200, order(), (Outcome.MADE, "")),
        (200, order(status="awaiting:payment"), (Outcome.MADE, "")),
        (409, REFUSAL, (Outcome.REFUSED, "409 Somebody holds this ticket")),
        (429, REFUSAL, (Outcome.LIMITED, "429 Somebody holds this ticket")),
        (429, "", (Outcome.LIMITED, "429")),
        (503, "", (Outcome.UNAVAILABLE, "503")),
        (202, "{}", (Outcome.UNKNOWN, "202 not decided yet")),
        (502, "", (Outcome.UNKNOWN, "502 from a proxy")),
    ],
)
async def test_an_answer_is_counted_by_its_kind(status: int, body: str, expected: tuple[Outcome, str]) -> None:
    assert await outcome(response(status, body)) == (*expected, [])


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (201, order(ticket={"id": "0" * 24}), "is held as"),
        (201, order(userId=OTHER.id), "is held as"),
        (201, order(price=24.0), "is held as"),
        (201, order(status="cancelled"), "is held as"),
        (201, "{}", "not what was asked for"),
        (201, "no", "not what was asked for"),
        (409, "no", "409 without a reason"),
        (500, REFUSAL, "answered with 500"),
        (404, REFUSAL, "answered with 404"),
    ],
)
async def test_an_answer_against_the_contract_is_wrong(status: int, body: str, complaint: str) -> None:
    found, reason, wrong = await outcome(response(status, body))
    assert (found, reason) == (Outcome.WRONG, "")
    assert len(wrong) == 1
    assert complaint in wrong[0]


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 201 X\r\nContent-Length: 9\r\n\r\n"])
async def test_what_is_no_answer_is_unknown(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "ANSWER_SECONDS", 0.5)
    found, _, wrong = await outcome(answer)
    assert (found, wrong) == (Outcome.UNKNOWN, [])


async def test_a_server_that_is_too_slow_has_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "ANSWER_SECONDS", 0.05)
    found, reason, _ = await outcome(b"HTTP/1.1 201 X\r\n")
    assert (found, reason) == (Outcome.UNKNOWN, "no answer in 0 s")


async def test_two_people_who_hold_one_ticket_are_found() -> None:
    stock = a_stock()
    assert (await outcome(response(201, order()), stock))[0] is Outcome.MADE
    found, _, wrong = await outcome(response(201, order(userId=OTHER.id)), stock, OTHER)
    assert found is Outcome.WRONG
    assert wrong == [f"reserve: {TICKET} is held by two people at once"]
    stock.let_go(json.loads(order()))
    assert (await outcome(response(201, order(userId=OTHER.id)), stock, OTHER))[0] is Outcome.MADE


async def test_a_later_request_of_a_visit_counts_from_when_it_was_sent() -> None:
    counts = Counts()
    async with serving(response(200, "{}"), response(200, "{}")) as target:
        connection = Connection(target)
        visit = Visit(connection, target, counts, 0, time.perf_counter() - 3)
        await visit.ask("first", "GET", "/")
        await visit.ask("second", "GET", "/")
        connection.close()
    first, second = counts.tally.cell(0, "first"), counts.tally.cell(0, "second")
    assert first.corrected.longest > 3
    assert first.uncorrected.longest < 1
    assert second.corrected.longest < 1


async def test_cookies_of_answers_are_kept_as_a_browser_does() -> None:
    person = Person("a" * 24)
    person.keep(("session=1", "changed=x"))
    person.keep(("session=2",))
    assert person.cookie == "session=2; changed=x"
    assert "session=2" not in repr(person)


async def test_a_body_in_chunks_is_read_whole() -> None:
    head = b"HTTP/1.1 200 X\r\nSet-Cookie: a=b; Path=/\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked = head + b"3\r\n[1,\r\n2;x=y\r\n2]\r\n0\r\n\r\n"
    async with serving(chunked, response(204, "")) as target:
        connection = Connection(target)
        raw = encode("GET", "/", target.authority)
        answer = await connection.ask(raw)
        assert (answer.status, answer.body, answer.cookies) == (200, b"[1,2]", ("a=b",))
        assert (await connection.ask(raw)).status == 204
        connection.close()
    assert connection.reconnects == 0


async def test_a_connection_that_the_server_closed_is_opened_again() -> None:
    async with serving(b"", response(200, "{}")) as target:
        connection = Connection(target)
        assert (await connection.ask(encode("GET", "/", target.authority))).status == 200
        connection.close()
    assert connection.reconnects == 1
