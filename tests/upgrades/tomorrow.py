"""Releases that are not written yet: what TOMORROW names is changed before anything else of the tree is imported."""

import os
from dataclasses import field, make_dataclass
from typing import Any

TOMORROW = "TOMORROW"
GIFT = "somebody"


def become() -> None:
    """Change this process's code into that of the release that the environment names, if it names one."""
    changes = {"adds a field": _add_a_field, "speaks otherwise": _speak_otherwise}
    if TOMORROW in os.environ:
        changes[os.environ[TOMORROW]]()


def _add_a_field() -> None:
    """Orders say for whom they are, and their documents are derived anew."""
    from actors.domain import messages  # noqa: PLC0415 - before whoever takes the class from there

    added: list[Any] = [("gift_for", str | None, field(default=GIFT))]
    messages.Order = make_dataclass(  # type: ignore[assignment, misc]
        "Order", added, bases=(messages.Order,), frozen=True, slots=True
    )
    from actors import projections  # noqa: PLC0415 - after the change

    projections.PROJECTIONS["orders"] += 1


def _speak_otherwise() -> None:
    """Nobody else understands what it says, nor it them: the control."""
    from actors import wire  # noqa: PLC0415 - only where it is needed

    wire.VERSION += 1
