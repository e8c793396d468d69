"""How charges behave in a host: the pure rules of `domain.charge`, with what they need from the database."""

from collections.abc import Collection, Sequence
from typing import Protocol

from actors.domain import charge as rules
from actors.domain.messages import (
    Charge,
    ChargeCommand,
    ChargeCreated,
    ChargeEvent,
    Instant,
    OpenCharge,
    ReadCharge,
    Refusal,
    RequestMismatch,
)
from actors.projections import charge_projections
from actors.runtime.ports import Decided, Projection, Recorded


class ChargeQueries(Protocol):
    """What charges read from the database. Raises StoreUnavailableError."""

    async def charges(self, ids: Collection[str]) -> dict[str, Charge]:
        """The stored charges."""

    async def taken(self, keys: Collection[str]) -> set[str]:
        """Those of the journal's keys that some commit owns."""


class ChargeBehaviour:
    """Charges in a host; see runtime.ports.Behaviour for what each method promises."""

    kind = "charge"

    def __init__(self, queries: ChargeQueries) -> None:
        self._queries = queries
        self._taken: set[str] = set()

    def entity_id(self, command: ChargeCommand) -> str:
        return command.charge.id if isinstance(command, OpenCharge) else command.charge_id

    def starts_fresh(self, command: ChargeCommand) -> bool:
        return isinstance(command, OpenCharge)

    def is_read(self, command: ChargeCommand) -> bool:
        return isinstance(command, ReadCharge) and not command.fenced

    async def load(self, ids: Collection[str]) -> dict[str, Charge]:
        return await self._queries.charges(ids)

    async def gather(self, commands: Sequence[ChargeCommand], _now: Instant, *, careful: bool) -> None:
        # That a client's key was used before is left to the fence; only after it said so it is looked up.
        wanted = {key for command in commands if (key := _request_key(command))} if careful else set()
        self._taken = await self._queries.taken(wanted) if wanted else set()

    def decide(self, charge: Charge | None, command: ChargeCommand, now: Instant) -> Decided[Charge]:
        if charge is None and _request_key(command) in self._taken:
            return Decided((), RequestMismatch(), None)
        decision = rules.decide(charge, command, now)
        if isinstance(decision, Refusal):
            return Decided((), decision, None)
        return Decided(decision, None, None)

    def due(self, _charge: Charge | None, _now: Instant) -> tuple[()]:
        return ()

    def evolve(self, _charge: Charge | None, recorded: Recorded, _entity_id: str) -> Charge:
        return rules.evolve(recorded.event)

    def version(self, charge: Charge | None) -> int:
        return charge.version if charge else 0

    def commit_of(self, _charge: Charge | None) -> None:
        return None  # of one that was not in memory, as for a refund, the journal is asked

    def updated_at(self, charge: Charge | None) -> Instant:
        return charge.updated_at if charge else 0

    def claims(self, event: ChargeEvent) -> tuple[str, ...]:
        key = _request_key(OpenCharge(event.charge)) if isinstance(event, ChargeCreated) else None
        return (key,) if key else ()

    def claim_of(self, _command: ChargeCommand) -> None:
        return None

    def reply(self, charge: Charge, _command: ChargeCommand, _decided: Decided[Charge]) -> Charge:
        return charge

    def promises(self, _command: ChargeCommand, _reply: object) -> tuple[()]:
        return ()

    def noticed(self, event: ChargeEvent) -> None:
        """Nothing is gathered, so nothing is to be kept up."""

    def settle(self, *, committed: bool) -> None:
        """As above."""

    def timer(self, _charge: Charge) -> None:
        return None

    def projections(self, recorded: Recorded, _charge: Charge) -> list[Projection]:
        return charge_projections(recorded.event)


def _request_key(command: ChargeCommand) -> str | None:
    """The key that lets a client's Idempotency-Key name one order's payment; later attempts of it claim it no more."""
    if not isinstance(command, OpenCharge) or command.charge.request is None or command.charge.attempt > 1:
        return None
    return f"request:{command.charge.request}"
