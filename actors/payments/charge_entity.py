"""How charges behave in a host: the pure rules of `domain.charge`, with what they need from the database."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from actors.domain import charge as rules
from actors.domain.charge_commands import ChargeCommand, OpenCharge, ReadCharge
from actors.domain.charge_events import ChargeCreated, ChargeEvent
from actors.domain.charge_values import Charge
from actors.domain.instants import Instant
from actors.domain.keys import request_key
from actors.domain.refusals import Refusal, RequestMismatch
from actors.read_model.projections import charge_updates
from actors.runtime.entity import Entity, EntityDecision
from actors.runtime.ports import DocumentUpdate, RecordedEvent


class ChargeReads(Protocol):
    """What charges read from the database. Raises StoreUnavailableError."""

    async def charges(self, ids: Collection[str]) -> dict[str, Charge]:
        """The stored charges."""

    async def orders_of_requests(self, requests: Collection[str]) -> dict[str, str]:
        """The order that each client's key was first used to pay, as the journal has it."""


class ChargeEntity(Entity[Charge, ChargeCommand, ChargeEvent, Charge]):
    """Charges in a host. Of one that was not in memory, as for a refund, the journal is asked for its last commit."""

    kind = "charge"

    def __init__(self, queries: ChargeReads) -> None:
        self._queries = queries
        self._payers: dict[str, str] = {}

    def entity_id(self, command: ChargeCommand) -> str:
        return command.charge.id if isinstance(command, OpenCharge) else command.charge_id

    def is_creation(self, command: ChargeCommand) -> bool:
        return isinstance(command, OpenCharge)

    def is_read(self, command: ChargeCommand) -> bool:
        return isinstance(command, ReadCharge) and not command.fenced

    async def load(self, ids: Collection[str]) -> dict[str, Charge]:
        return await self._queries.charges(ids)

    async def prefetch(
        self,
        commands: Sequence[ChargeCommand],
        _states: Mapping[str, Charge | None],
        _now: Instant,
        *,
        after_conflict: bool,
    ) -> tuple[()]:
        # That a client's key was used before is left to the fence; only after it said so it is looked up.
        wanted = (
            {command.charge.request for command in commands if isinstance(command, OpenCharge)}
            if after_conflict
            else ()
        )
        requests = {request for request in wanted if request is not None}
        self._payers = await self._queries.orders_of_requests(requests) if requests else {}
        return ()

    def decide(
        self, charge: Charge | None, command: ChargeCommand, now: Instant
    ) -> EntityDecision[Charge, ChargeEvent]:
        if charge is None and isinstance(command, OpenCharge) and self._is_anothers(command.charge):
            return EntityDecision((), RequestMismatch(), None)
        decision = rules.decide(charge, command, now)
        if isinstance(decision, Refusal):
            return EntityDecision((), decision, None)
        return EntityDecision(decision, None, None)

    def evolve(self, _charge: Charge | None, recorded: RecordedEvent[ChargeEvent], _entity_id: str) -> Charge:
        return rules.evolve(recorded.event)

    def version(self, charge: Charge | None) -> int:
        return charge.version if charge else 0

    def updated_at(self, charge: Charge | None) -> Instant:
        return charge.updated_at if charge else 0

    def unique_keys(self, event: ChargeEvent) -> tuple[str, ...]:
        if not isinstance(event, ChargeCreated) or event.charge.request is None:
            return ()
        # An earlier attempt of the order has it: a key exists once, and names the order, not one of its attempts.
        return () if event.charge.request in self._payers else (request_key(event.charge.request),)

    def reply(self, charge: Charge, _command: ChargeCommand, _decided: EntityDecision[Charge, ChargeEvent]) -> Charge:
        return charge

    def document_updates(self, recorded: RecordedEvent[ChargeEvent], _charge: Charge) -> list[DocumentUpdate]:
        return charge_updates(recorded.event)

    def log_facts(self, event: ChargeEvent) -> dict[str, str]:
        return {"order": event.charge.order_id, "status": event.charge.status}

    def _is_anothers(self, charge: Charge) -> bool:
        """Whether the key of this attempt was used to pay another order."""
        return charge.request is not None and self._payers.get(charge.request, charge.order_id) != charge.order_id
