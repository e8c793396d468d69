"""The command ``holdfast top``."""

import asyncio
import sys
from contextlib import suppress

from rich.console import Console
from rich.live import Live

from cli.command_line import load_settings, silence_logs
from cli.status.collector import Collector
from cli.status.command import Address, place_of
from cli.top.frame import frame
from cli.top.keyboard import when_pressed
from cli.top.rates import rates_between
from config.settings import Settings

_EVERY_SECONDS = 1.0


def top(*, address: Address = None) -> None:
    """Show the market as it is now, once a second, until q or Ctrl-C. Without a terminal, once."""
    silence_logs()
    console = Console()
    # Both keys cancel what runs.
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_show(load_settings(), address, console))


async def _show(settings: Settings, address: str | None, console: Console) -> None:
    collector = Collector(settings, place_of(settings, address))
    try:
        if console.is_terminal and sys.stdin.isatty():
            await _watch(collector, console)
        else:
            await _print_once(collector, console)
    finally:
        await collector.close()


async def _watch(collector: Collector, console: Console) -> None:
    loop, own, before = asyncio.get_running_loop(), asyncio.current_task(), None
    with when_pressed("q", own.cancel if own else loop.stop), Live(console=console, screen=True) as live:
        while True:
            began = loop.time()
            status = await collector.collect()
            live.update(frame(status, rates_between(before, status), console.height), refresh=True)
            before = status
            await asyncio.sleep(began + _EVERY_SECONDS - loop.time())


async def _print_once(collector: Collector, console: Console) -> None:
    before = await collector.collect()
    await asyncio.sleep(_EVERY_SECONDS)
    status = await collector.collect()
    console.print(frame(status, rates_between(before, status), len(status["actors"]) + console.height))
