"""Which request is what."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from actors.stripe.sandbox import commands
from actors.stripe.sandbox.commands import Command
from actors.stripe.sandbox.form import Form
from actors.stripe.sandbox.ledger_entry import Kind

INTENTS = "/v1/payment_intents"
REFUNDS = "/v1/refunds"
DISPUTES = "/v1/disputes"

# Every POST route: its path, and what reads its form.
COMMANDS: tuple[tuple[re.Pattern[str], Callable[[Form], Command]], ...] = (
    (re.compile(INTENTS), commands.read_create_intent),
    (re.compile(rf"{INTENTS}/(?P<id>\w+)/confirm"), commands.read_confirm_intent),
    (re.compile(rf"{INTENTS}/(?P<id>\w+)/capture"), commands.read_capture_intent),
    (re.compile(rf"{INTENTS}/(?P<id>\w+)/cancel"), commands.read_cancel_intent),
    (re.compile(REFUNDS), commands.read_create_refund),
    (re.compile(rf"{DISPUTES}/(?P<id>\w+)"), commands.read_update_dispute),
    (re.compile(rf"{DISPUTES}/(?P<id>\w+)/close"), commands.read_close_dispute),
)
# Every GET route: with an id one object, without a list.
LOOKUPS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(rf"{INTENTS}(?:/(?P<id>\w+))?"), "intent"),
    (re.compile(rf"{REFUNDS}(?:/(?P<id>\w+))?"), "refund"),
    (re.compile(rf"{DISPUTES}(?:/(?P<id>\w+))?"), "dispute"),
)


@dataclass(frozen=True, slots=True)
class Order:
    """A change that a POST asks for; `object_id` is the one in its path."""

    command: Command
    object_id: str | None


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a GET asks for: an object, or the list of its kind when there is no id."""

    kind: Kind
    object_id: str | None


def read_command(path: str, form: Form) -> Order | None:
    """What a POST asks for; None for an unknown path. Raises RequestRefused for what Stripe would refuse."""
    for pattern, read in COMMANDS:
        if match := pattern.fullmatch(path):
            command = read(form)
            form.refuse_the_rest()
            return Order(command, match.groupdict().get("id"))
    return None


def read_lookup(path: str) -> Lookup | None:
    """What a GET asks for; None for an unknown path."""
    for pattern, kind in LOOKUPS:
        if match := pattern.fullmatch(path):
            return Lookup(kind, match["id"])
    return None
