"""Generators in processes of this machine: one event loop carries one core of load."""

import asyncio
import multiprocessing
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import uvloop

from cli.load.errors import LoadError
from cli.load.generator.generator import Assignment, Generator
from cli.load.generator.tally import Snapshot

_READY_SECONDS = 60.0
# So much later than the word goes out, so that it reaches all of them before.
_AHEAD_SECONDS = 0.3
_END_SECONDS = 5.0
_READY, _OVER = "ready", "over"


class ProcessFleet:
    """A process for each generator, and a pipe to it. See Fleet for what each method does."""

    def __init__(self, assignments: Sequence[Assignment]) -> None:
        # A fork would take this process's threads and loop with it.
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes: list[BaseProcess] = []
        for assignment in assignments:
            ours, theirs = context.Pipe()
            process = context.Process(target=_main, args=(assignment, theirs), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        self._running = list(self._pipes)

    @property
    def place(self) -> str:
        """Where they run."""
        return "processes of this machine"

    @property
    def is_over(self) -> bool:
        """Whether all have ended."""
        return not self._running

    def begin(self) -> float:
        """Have all begin at one moment, and return it."""
        deadline = time.monotonic() + _READY_SECONDS
        for pipe in self._pipes:
            if not pipe.poll(max(deadline - time.monotonic(), 0)) or self._received(pipe) != _READY:
                raise LoadError("a generator did not start: is the machine out of memory?")
        began_at = time.time() + _AHEAD_SECONDS
        for pipe in self._pipes:
            pipe.send(began_at)
        return began_at

    def take(self, seconds: float) -> Sequence[Snapshot]:
        """Return what was told."""
        told = []
        for pipe in connection.wait(self._running, seconds):
            said = self._received(pipe)  # type: ignore[arg-type]  # typeshed: of anything that can be waited for
            if isinstance(said, Snapshot):
                told.append(said)
            else:
                self._running.remove(pipe)  # type: ignore[arg-type]
        return told

    def stop(self) -> None:
        """Have no visit begin any more."""
        for pipe in self._running:
            with suppress(BrokenPipeError):  # it is over already
                pipe.send(None)

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.join(_END_SECONDS if not self._running else 0)
            if process.is_alive():
                process.kill()
                process.join()
        for pipe in self._pipes:
            pipe.close()

    def _received(self, pipe: Connection) -> object:
        try:
            return pipe.recv()
        except EOFError:
            raise LoadError("a generator ended before the load was over: its error is above") from None


def _main(assignment: Assignment, pipe: Connection) -> None:
    # Ctrl-C is meant for the command, which lets visits end and reports.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    uvloop.run(_generate(assignment, pipe))


async def _generate(assignment: Assignment, pipe: Connection) -> None:
    generator = Generator(assignment, pipe.send)
    pipe.send(_READY)
    began_at = pipe.recv()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(pipe.fileno())
        generator.stop()

    # Whatever comes now means stop, also the end of the command.
    loop.add_reader(pipe.fileno(), stop)
    await generator.run(began_at)
    pipe.send(_OVER)
