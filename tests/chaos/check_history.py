"""``python -m tests.chaos.check_history FILE``: says whether what people were told can be explained."""

import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tests.chaos.history import HistoryError, read_history
from tests.chaos.linearizability import violations


def main(words: list[str]) -> int:
    """Exit with 1 when something has no explanation or was not decided, with 2 when there is no history."""
    console = Console(highlight=False, soft_wrap=True)
    if len(words) != 1:
        console.print("usage: python -m tests.chaos.check_history FILE")
        return 2
    try:
        history = read_history(Path(words[0]))
    except (OSError, HistoryError) as error:
        console.print(str(error), markup=False)
        return 2
    began = time.monotonic()
    with Progress(transient=True, console=console) as bar:
        task = bar.add_task("tickets")
        found = violations(history, lambda done, total: bar.update(task, completed=done, total=total))
    for kind, count in sorted(history.counts().items()):
        console.print(f"{count:7,} {kind}")
    unknown = sum(not operation.is_certain for operation in history.operations)
    console.print(f"{unknown:7,} with an unknown outcome")
    tickets = len(history.tickets())
    console.print(f"{tickets:,} tickets in {time.monotonic() - began:.1f} s: {len(found)} violations")
    for violation in found:
        console.print(f"\n{violation}", markup=False)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
