"""A server that speaks MongoDB's protocol and answers as a test says: elections, odd answers, other makers' habits."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import bson

from actors.domain.codec import Document
from actors.storage.database import Database, connect, database_of

HEADER = struct.Struct("<iiii")
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
STANDALONE = {"isWritablePrimary": True, "ismaster": True, "maxWireVersion": 21, "minWireVersion": 0, "ok": 1.0}
NOTHING_FOUND: Document = {"cursor": {"id": 0, "ns": "test.any", "firstBatch": []}, "ok": 1.0}

Answer = Callable[[Document], Document]


class FakeMongod:
    """`answers` has what a command is answered with, by its name; every command that came is in `asked`.

    Reads find nothing and writes succeed unless it says otherwise. While it is not `free`, nobody gets an answer.
    """

    def __init__(self, **answers: Document | Answer) -> None:
        self.answers = answers
        self.asked: list[Document] = []
        self.url = ""
        self.free = asyncio.Event()
        self.free.set()

    def asked_for(self, name: str) -> list[Document]:
        """The commands of this name."""
        return [command for command in self.asked if name in command]

    def hello(self) -> Document:
        """What it says of itself."""
        return STANDALONE

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeMongod"]:
        """Serves at `url`."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"mongodb://127.0.0.1:{server.sockets[0].getsockname()[1]}/test"
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length, number, _, code = HEADER.unpack(await reader.readexactly(HEADER.size))
                body = await reader.readexactly(length - HEADER.size)
                answer = bson.encode(self._answer(_command(code, body)))
                await self.free.wait()
                answer = (bytes(20 - 4) + struct.pack("<i", 1) if code == OP_QUERY else bytes(5)) + answer
                kind = OP_REPLY if code == OP_QUERY else OP_MSG
                writer.write(HEADER.pack(HEADER.size + len(answer), 0, number, kind) + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, command: Document) -> Document:
        name = next(iter(command))
        if name.lower() in ("hello", "ismaster"):
            return {**self.hello(), **self._told("hello", command)}
        if name == "buildInfo":
            return {"version": "8.0.0", "ok": 1.0} | self._told(name, command)
        self.asked.append(command)
        default = NOTHING_FOUND if name == "find" else {"n": 1, "nModified": 1, "ok": 1.0}
        return self._told(name, command) or default

    def _told(self, name: str, command: Document) -> Document:
        told = self.answers.get(name, {})
        return told(command) if callable(told) else told


@asynccontextmanager
async def speaking_to(server: FakeMongod) -> AsyncIterator[Database]:
    """The server's database, as the product connects to it."""
    async with server.running(), connect(server.url, patience_ms=2_000) as client:
        yield database_of(client)


class FakePrimary(FakeMongod):
    """The primary, and only member, of a replica set."""

    def hello(self) -> Document:
        address = self.url.removeprefix("mongodb://").partition("/")[0]
        return {**STANDALONE, "setName": "set", "me": address, "primary": address, "hosts": [address], "setVersion": 1}


def _command(code: int, body: bytes) -> Document:
    if code == OP_QUERY:
        return bson.decode(body[body.index(b"\0", 4) + 1 + 8 :])
    command: dict[str, Any] = {}
    rest = body[4:]
    while rest:
        kind, (size,) = rest[0], struct.unpack_from("<i", rest, 1)
        section, rest = rest[1 : 1 + size], rest[1 + size :]
        if kind == 0:
            command |= bson.decode(section)
        else:
            name, _, documents = section[4:].partition(b"\0")
            command[name.decode()] = bson.decode_all(documents)
    return command
