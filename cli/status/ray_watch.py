"""Asks Ray and the actors through a program of its own, which is ended when it does not answer in time."""

import asyncio
import os
import sys
import time
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import closing, suppress
from typing import cast

import orjson

from cli.running_market import RayAddress
from cli.status.away import AwayError
from cli.status.document import RayView

# What it says first; see ray_program.py, which is not imported here, as that would import Ray.
_IMPORTED, _CONNECTED = b"imported", b"connected"
# How long this machine may take to load Ray and the actors' classes, which says nothing of the market. It takes less
# than the other where nothing else runs (1.8 s, measured); where it takes longer, so may the rest.
_MOST_IMPORT_SECONDS, _IMPORT_SECONDS = 60.0, 2.0
# How long Ray's control service may take to say anything, Ray to let us in, an actor to answer, and Ray to tell of all.
_SERVICE_SECONDS, _CONNECT_SECONDS, _ACTOR_SECONDS, _ANSWER_SECONDS = 0.8, 5.0, 0.5, 2.0
# How an HTTP/2 connection begins, with empty settings: gRPC servers answer with theirs at once (RFC 9113, 3.4).
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_LONGEST_ANSWER_BYTES = 64 * 1024 * 1024


class RayWatch:
    """The market's Ray. Close it in the end."""

    def __init__(self, address: RayAddress, namespace: str) -> None:
        self._address = address
        self._namespace = namespace
        self._program: Process | None = None
        self._slowness = 1.0

    async def look(self) -> RayView:
        """Return what Ray and the actors say now. Raises AwayError; the next look then connects anew."""
        try:
            program = self._program or await self._connect_if_alive()
            cast("StreamWriter", program.stdin).write(b"%g\n" % (_ACTOR_SECONDS * self._slowness))
            return cast("RayView", orjson.loads(await self._line(program, _ANSWER_SECONDS * self._slowness)))
        except (AwayError, OSError, orjson.JSONDecodeError) as error:
            await self.close()
            raise AwayError(str(error) if isinstance(error, AwayError) else type(error).__name__) from error
        except asyncio.CancelledError:
            await self.close()
            raise

    async def close(self) -> None:
        """End the program. It has nothing to lose."""
        program, self._program = self._program, None
        if program is not None and program.returncode is None:
            with suppress(ProcessLookupError):
                program.kill()
            await program.wait()

    async def _connect_if_alive(self) -> Process:
        """Connect, and find out meanwhile whether the control service is alive, which Ray itself takes long to say."""
        connecting = asyncio.create_task(self._connect())
        try:
            await self._check_service()
            return await connecting
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)

    async def _check_service(self) -> None:
        """Raise AwayError when the control service says nothing at its port."""
        host, _, port = self._address.address.rpartition(":")
        if not host:
            return  # Ray finds its address by itself
        try:
            async with asyncio.timeout(_SERVICE_SECONDS):
                answers, asks = await asyncio.open_connection(host, int(port))
                with closing(asks):
                    asks.write(_GREETING)
                    await answers.read(1)
        except (OSError, ValueError, OverflowError) as error:
            raise AwayError(f"nothing answers at {self._address.address}") from error

    async def _connect(self) -> Process:
        began = time.monotonic()
        self._program = program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli.status.ray_program", self._address.address, self._namespace),
            env={**os.environ, **self._address.environment},
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=_LONGEST_ANSWER_BYTES,
        )
        imported = await self._line(program, _MOST_IMPORT_SECONDS)
        if imported != _IMPORTED:
            raise AwayError("Ray cannot be loaded on this machine")
        self._slowness = max(1.0, (time.monotonic() - began) / _IMPORT_SECONDS)
        connected = await self._line(program, _CONNECT_SECONDS * self._slowness)
        if connected != _CONNECTED:
            raise AwayError(f"it lets nobody in ({connected.decode()})")
        return program

    async def _line(self, program: Process, seconds: float) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                line = await cast("StreamReader", program.stdout).readline()
        except TimeoutError as error:
            raise AwayError(f"no answer within {seconds:.1f} s") from error
        if not line:
            raise AwayError("the connection ended")
        return line.strip()
