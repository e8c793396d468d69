"""Commands that are imported when they are called: what all of them import together takes more than a second."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


class LazyCommand(TyperCommand):
    """A command, or a group of them, that is listed without its module."""

    def __init__(self, name: str, place: str, summary: str) -> None:
        super().__init__(name, help=summary)
        self._place = place

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401 - the types are private
        """Return the context of the real command, with which Click goes on, to invoke it or to complete its words."""
        return self.load().make_context(info_name, args, parent, **extra)

    def load(self) -> Any:  # noqa: ANN401 - as above
        """Return the real command."""
        module, _, attribute = self._place.partition(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            return typer.main.get_group(found)
        app = typer.Typer(add_completion=False)
        app.command(self.name)(found)
        return typer.main.get_command(app)


def lazy_group(places: Mapping[str, tuple[str, str]]) -> type[TyperGroup]:
    """Return the class of a group whose commands are at `module:attribute`, and are listed with a summary each."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - as above
            super().__init__(**attributes)
            self.commands = {name: LazyCommand(name, place, summary) for name, (place, summary) in places.items()}

    return LazyGroup
