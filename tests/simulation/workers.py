"""Seeds on all cores, in processes of their own whose strings hash alike: only then a seed does the same again."""

import gc
import logging
import multiprocessing
import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.pool import Pool
from types import FrameType

import structlog

from tests.simulation.market import Placement
from tests.simulation.sabotage import CONTROLS, UNTOUCHED
from tests.simulation.simulation import COMMANDS, Outcome, simulate

HASHING = "PYTHONHASHSEED"
# Of processor time. A seed takes a fifth of a second, its longest a few; a step that never ends shows in no count of
# steps.
MOST_SECONDS = 120.0


class EndlessError(KeyboardInterrupt):
    """A seed took too long; says where it was. Of the one kind that tasks and actors let through."""


@dataclass(frozen=True, slots=True)
class Task:
    """A seed to run. `control` names the protection that is off; with `spared` it is on, and its faults are there."""

    seed: int
    commands: int = COMMANDS
    control: str | None = None
    spared: bool = False
    pace: float | None = None
    placement: Placement | None = None
    partitions: int = 1
    traced: bool = False


@contextmanager
def workers() -> Iterator[Pool]:
    """Processes that run tasks: `pool.imap_unordered(run, tasks)`."""
    before = os.environ.get(HASHING)
    os.environ[HASHING] = "0"
    try:
        pool = multiprocessing.get_context("spawn").Pool(os.cpu_count() or 1, _prepare)
    finally:
        del os.environ[HASHING]
        if before is not None:
            os.environ[HASHING] = before
    with pool:
        yield pool


def run(task: Task) -> Outcome:
    """Runs one here and now."""
    control = next((one for one in CONTROLS if one.protection == task.control), UNTOUCHED)
    off = UNTOUCHED.off if task.spared else control.off
    try:
        with at_most(MOST_SECONDS):
            return simulate(
                task.seed,
                commands=task.commands,
                faults=control.faults,
                sabotage=off,
                pace=task.pace,
                placement=task.placement or control.placement,
                partitions=max(task.partitions, control.partitions),
                traced=task.traced,
            )
    except EndlessError as endless:
        return Outcome(task.seed, (), broken=str(endless))


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises EndlessError, with where it was, in what takes longer; in seconds of processor time."""

    def stop(_signal: int, frame: FrameType | None) -> None:
        raise EndlessError(f"not over after {seconds:g} s, here:\n{''.join(traceback.format_stack(frame, 8))}")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _prepare() -> None:
    # What the actors log is not for people here, and would cost a third of the time.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("holdfast.events").setLevel(logging.CRITICAL)
    # What was imported is not looked at again after every seed.
    gc.collect()
    gc.freeze()
