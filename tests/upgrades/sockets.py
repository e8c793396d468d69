"""Actors without Ray: each is a process that listens at a socket, and whoever is called by a name is one link away."""

import asyncio
import json
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bson import ObjectId

from actors.cluster.client import ActorClient
from actors.cluster.heartbeat import ActorDirectory
from actors.cluster.serialization import NotUnderstood, pack, unpack
from actors.domain.refusals import Unavailable
from actors.processes.base import HostActor
from actors.processes.resources import Resources
from actors.processes.servers import ProductionResources
from actors.runtime.ports import HostUnreachableError, Instant, Reply
from config import logs
from config.settings import Settings

_LENGTH = struct.Struct(">I")


async def serve(actor: HostActor, socket: Path) -> None:
    """Answer what comes to the socket until cancelled."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said = json.loads(await reader.readline())
            packed = await actor.deliver_packed(await _read(reader), said["deadline"], again=said["again"])
            writer.write(_LENGTH.pack(len(packed)) + packed)
            await writer.drain()
        finally:
            writer.close()

    await actor.ping()
    server = await asyncio.start_unix_server(answer, socket)
    async with server:
        await server.serve_forever()


async def _read(reader: asyncio.StreamReader) -> bytes:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return await reader.readexactly(length)


class SocketTransport:
    """Satisfies `ports.Transport`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def call(self, host: str, messages: Sequence[Any], deadline: Instant, *, redelivered: bool) -> list[Reply]:
        try:
            reader, writer = await asyncio.open_unix_connection(self._folder / host)
            try:
                packed = pack(messages)
                said = json.dumps({"deadline": deadline, "again": redelivered}).encode()
                writer.write(said + b"\n" + _LENGTH.pack(len(packed)) + packed)
                replies = unpack(await _read(reader))
            finally:
                writer.close()
        except (OSError, EOFError) as error:
            raise HostUnreachableError(host) from error
        return [Unavailable() if isinstance(reply, NotUnderstood) else reply for reply in replies]


class SocketSystem:
    """Satisfies `system.System`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new_id(self) -> str:
        return str(ObjectId())

    def place(self) -> tuple[int, str, float]:
        return os.getpid(), "here", 0.0

    def settings(self) -> Settings:
        return Settings()

    def connect(self, settings: Settings) -> Resources:
        logs.configure()
        return ProductionResources(settings)

    def actors(self, _settings: Settings, connections: Resources) -> ActorClient:
        return ActorClient(connections.members, SocketTransport(self._folder), connections.clock)

    def directory(self, settings: Settings) -> ActorDirectory:
        raise NotImplementedError("nobody watches here")

    def metrics(self, _settings: Settings) -> None:
        return None

    def end_actor(self) -> None:
        os._exit(0)
