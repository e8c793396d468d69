"""Who asks for the wall clock: every call of it is seen, however the caller came by the function."""

import sys
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TypeVar

from tests.simulation.simulation import Outcome
from tests.simulation.workers import Task, run

T = TypeVar("T")
Asked = set[tuple[str, str]]

ROOT = Path(__file__).parents[2]
OURS = tuple(f"{ROOT / folder}/" for folder in ("actors", "holdfast", "tests/simulation"))
NAMES = ("time", "monotonic", "process_time", "process_time", "thread_time")
CLOCKS = {
    *(getattr(time, name) for name in NAMES),
    *(getattr(time, f"{name}_ns") for name in NAMES),
    *(time.sleep, time.gmtime, time.localtime, time.ctime, time.strftime),
}
DATES = ("now", "utcnow", "today")


def run_watched(task: Task) -> tuple[Outcome, Asked]:
    """Runs a seed."""
    return watched(partial(run, task))


def watched(work: Callable[[], T]) -> tuple[T, Asked]:
    """What the work returns, and which of our modules asked which clock meanwhile."""
    asked: Asked = set()

    def watch(frame: FrameType, event: str, called: object) -> None:
        if event == "c_call" and _is_clock(called) and frame.f_code.co_filename.startswith(OURS):
            asked.add((str(Path(frame.f_code.co_filename).relative_to(ROOT)), getattr(called, "__name__", "")))

    sys.setprofile(watch)
    try:
        result = work()
    finally:
        sys.setprofile(None)
    return result, asked


def _is_clock(called: object) -> bool:
    if getattr(called, "__name__", None) in DATES:
        of = getattr(called, "__self__", None)
        return isinstance(of, type) and issubclass(of, date)
    return called in CLOCKS
