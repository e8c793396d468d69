"""An event loop on which time passes only when nobody has anything to do, and a seed decides who goes next.

Several processes share it. Inside of one process callbacks run in their order, as asyncio promises; between processes
the order is drawn. A process can stop (nothing of it runs, as after SIGSTOP) and die (nothing of it runs ever again, no
`finally` either, as after SIGKILL).
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from itertools import count
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")
TASKS_KEPT = 64

Reports = Callable[["Process", dict[str, Any]], None]


class Call:
    """A callback to be called: what asyncio calls a handle, with what it needs here and no more."""

    __slots__ = ("args", "callback", "context", "is_cancelled")

    def __init__(self, callback: Callable[..., object], args: tuple[object, ...], context: Context) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.is_cancelled = False

    def cancel(self) -> None:
        """It is passed over when its time comes."""
        self.is_cancelled = True
        self.args = ()

    def cancelled(self) -> bool:
        return self.is_cancelled


class Process:
    """What dies and stops together. `name` is for people; each incarnation is another process."""

    def __init__(self, loop: "VirtualLoop", name: str) -> None:
        self.name = name
        self.is_alive = True
        self.is_stopped = False
        self.ready: deque[Call] = deque()
        self._tasks: list[asyncio.Task[Any]] = []
        self._many = TASKS_KEPT
        self._loop = loop
        # For callbacks and tasks alike: they run one after the other.
        self.context = copy_context()
        self.context.run(_PROCESS.set, self)

    def run(self, coroutine: Coroutine[Any, Any, T], name: str = "") -> asyncio.Task[T]:
        """Has the coroutine run in this process."""
        return self._loop.create_task(coroutine, name=name, context=self.context)

    def call(self, callback: Callable[..., T], *args: object) -> T:
        """Calls it at once, as this process; what it schedules is scheduled here."""
        return self.context.copy().run(callback, *args)

    def stop(self) -> None:
        """Nothing of it runs until it goes on."""
        self.is_stopped = True
        self._loop.unlist(self)

    def go_on(self) -> None:
        """What became due meanwhile runs now."""
        self.is_stopped = False
        if self.is_alive and self.ready:
            self._loop.list_ready(self)

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Holds on to what runs here: a task that is forgotten in its middle would run its `finally` some time."""
        self._tasks.append(task)
        if len(self._tasks) > self._many:
            self._tasks = [one for one in self._tasks if not one.done()]
            self._many = 2 * len(self._tasks) + TASKS_KEPT

    def unfinished(self) -> list[asyncio.Task[Any]]:
        """The tasks that are not done."""
        return [task for task in self._tasks if not task.done()]

    def die(self) -> None:
        """Nothing of it ever runs again."""
        self.is_alive = False
        self._loop.unlist(self)
        self.ready.clear()


_PROCESS: ContextVar[Process] = ContextVar("process")


def current_process() -> Process:
    """The process that is running."""
    return _PROCESS.get()


class VirtualLoop(asyncio.AbstractEventLoop):
    """Enough of an event loop for everything that does no I/O."""

    def __init__(self, random: Random, report: Reports) -> None:
        self.steps = 0
        self._random = random
        self._report = report
        self._now = 0.0
        self._timers: list[tuple[float, int, Call]] = []
        self._order = count()
        self._ready: list[Process] = []
        self._everyone: list[Process] = []
        self._running: Process | None = None
        self._is_over = False

    def process(self, name: str) -> Process:
        """A new process."""
        process = Process(self, name)
        self._everyone.append(process)
        return process

    def run_until_done(self, task: asyncio.Task[T], most_steps: int) -> T:
        """What the task returns or raises. Raises TimeoutError when it is not done within so many steps."""
        asyncio._set_running_loop(self)
        try:
            while not task.done():
                if self.steps >= most_steps:
                    raise TimeoutError(f"{task.get_name()} is not done after {most_steps} steps")
                self._step()
        finally:
            asyncio._set_running_loop(None)
        return task.result()

    def _step(self) -> None:
        while not self._ready:
            self._pass_time()
        ready = self._ready
        process = ready[0] if len(ready) == 1 else ready[int(self._random.random() * len(ready))]
        call = process.ready.popleft()
        if not process.ready:
            ready.remove(process)
        if call.is_cancelled:
            return
        self.steps += 1
        self._running = process
        try:
            call.context.run(call.callback, *call.args)
        except Exception as error:  # noqa: BLE001 - as asyncio: whoever is told decides
            self.call_exception_handler({"message": f"{call.callback} raised", "exception": error})

    def _pass_time(self) -> None:
        """To the next timer."""
        if not self._timers:
            raise RuntimeError("everybody waits for ever")
        when, _, timer = heapq.heappop(self._timers)
        if not timer.is_cancelled:
            self._now = max(self._now, when)
            self._enlist(timer)

    def _enlist(self, call: "Call") -> None:
        process = call.context[_PROCESS]
        if not process.is_alive or self._is_over:
            return
        if not process.ready and not process.is_stopped:
            self._ready.append(process)
        process.ready.append(call)

    def unlist(self, process: Process) -> None:
        """It is no longer among those to choose from."""
        if process in self._ready:
            self._ready.remove(process)

    def list_ready(self, process: Process) -> None:
        """It is among those to choose from again."""
        if process not in self._ready:
            self._ready.append(process)

    def close(self) -> None:
        """Ends what is left, so that nothing of it runs later, when memory is collected."""
        self._is_over = True
        self._timers.clear()
        # What somebody begins on the way out would begin on a loop of asyncio's own, which is kept for ever.
        asyncio._set_running_loop(self)
        try:
            for process in self._everyone:
                for task in process.unfinished():
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    coroutine: Any = task.get_coro()
                    try:
                        process.call(coroutine.close)
                    except (RuntimeError, ValueError, GeneratorExit):
                        continue  # it awaited something on its way out
                process.ready.clear()
        finally:
            asyncio._set_running_loop(None)

    # What asyncio asks of a loop

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override]  # a Call serves as a handle
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> "Call":
        call = Call(callback, args, context or copy_context())
        self._enlist(call)
        return call

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> "Call":
        return self.call_at(self._now + max(0.0, delay), callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> "Call":
        timer = Call(callback, args, context or copy_context())
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]  # generators are no coroutines here
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        if self._is_over:
            coro.close()
            return self.create_future()  # type: ignore[return-value]  # nobody waits for it
        if context is not None and _PROCESS not in context:
            # One that the program made anew: the task runs where it was begun all the same.
            context.run(_PROCESS.set, _PROCESS.get())
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        (_PROCESS.get() if context is None else context[_PROCESS]).keep(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        # asyncio tells of a callback that raised outside of the callback's context.
        if not self._is_over and self._running is not None:
            self._running.call(self._report, self._running, context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return self._is_over
