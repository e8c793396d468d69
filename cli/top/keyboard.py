"""Keys that are pressed while something is shown."""

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def when_pressed(key: str, do: Callable[[], object]) -> Iterator[None]:
    """Do this when the key is pressed. Standard input has to be a terminal; it is left as it was."""
    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()

    def on_input() -> None:
        if key.encode() in os.read(terminal, 1_024):
            do()

    before = termios.tcgetattr(terminal)
    # Keys come one by one and are not shown; Ctrl-C stays what it is.
    tty.setcbreak(terminal)
    loop.add_reader(terminal, on_input)
    try:
        yield
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
