"""Ctrl-C ends a load early, and what came of it until then is kept."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event


@contextmanager
def interruptible() -> Iterator[Event]:
    """Give an event that Ctrl-C sets, instead of ending what is done."""
    is_interrupted = Event()
    before = signal.signal(signal.SIGINT, lambda *_: is_interrupted.set())
    try:
        yield is_interrupted
    finally:
        signal.signal(signal.SIGINT, before)
