"""What a test's client sends to the database."""

from collections.abc import Mapping
from typing import Any

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent


class Commands(CommandListener):
    """Keeps the name of each command, and for `find` what was asked, one of each kind: collection and fields."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.finds: dict[tuple[str, ...], Mapping[str, Any]] = {}

    def started(self, event: CommandStartedEvent) -> None:
        self.names.append(event.command_name)
        if event.command_name == "find":
            asked = {part: event.command[part] for part in ("find", "filter", "sort") if part in event.command}
            self.finds[(asked["find"], *sorted(asked["filter"]))] = asked

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """It was kept when it started."""

    def failed(self, event: CommandFailedEvent) -> None:
        """It was kept when it started."""
