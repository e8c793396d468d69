"""Answers to GET requests: one object, or a page of them (https://docs.stripe.com/api/pagination)."""

from collections.abc import Mapping

from actors.stripe.sandbox.failures import RequestRefused, not_found
from actors.stripe.sandbox.form import Form
from actors.stripe.sandbox.ledger import Ledger, Span
from actors.stripe.sandbox.ledger_entry import CreatedObject, Kind
from actors.stripe.sandbox.list_query import ListQuery, place_of, read_list
from actors.stripe.sandbox.payment_intent import Answer, Dispute, PaymentIntent, Refund
from actors.stripe.sandbox.routes import Lookup
from actors.stripe.sandbox.serializers import Shape, intent_shape, object_answer, part_shape


class Lookups:
    """Reads the ledger. Every method may raise RequestRefused and LedgerUnavailable."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def answer(self, lookup: Lookup, path: str, fields: Mapping[str, str]) -> Answer:
        """The object that is looked up, or the list of its kind."""
        if lookup.object_id is not None:
            return object_answer(await self._one(lookup.kind, lookup.object_id))
        query = read_list(Form(fields), filters_by_intent=lookup.kind != "intent")
        # One more than asked for tells whether there is more.
        if query.intent_id is None:
            shapes = await self._all(lookup.kind, query)
        else:
            shapes = await self._parts_of(query.intent_id, lookup.kind, query)
        page = {
            "object": "list",
            "data": shapes[: query.limit],
            "has_more": len(shapes) > query.limit,
            "url": path,
        }
        return object_answer(page)

    async def _one(self, kind: Kind, object_id: str) -> Shape:
        if kind == "intent":
            intent = await self._ledger.load(object_id)
            if intent is None:
                raise RequestRefused(not_found("payment_intent", "intent"))
            return intent_shape(intent)
        made = await self._made(kind, object_id)
        holder = await self._ledger.load(made.intent_id) if made else None
        if made is None or holder is None:
            raise RequestRefused(not_found(kind, "id"))
        return _shape(made, holder)

    async def _all(self, kind: Kind, query: ListQuery) -> list[Shape]:
        after = None
        if query.starting_after is not None:
            after = place_of(await self._made(kind, query.starting_after))
        found = await self._ledger.listed(kind, Span(query.limit + 1, query.created_since, after))
        intents = await self._ledger.load_all({made.intent_id for made in found})
        return [_shape(made, intents[made.intent_id]) for made in found]

    async def _made(self, kind: Kind, object_id: str) -> CreatedObject | None:
        made = await self._ledger.made(object_id)
        return made if made and made.kind == kind else None

    async def _parts_of(self, intent_id: str, kind: Kind, query: ListQuery) -> list[Shape]:
        intent = await self._ledger.load(intent_id)
        if intent is None:
            raise RequestRefused(not_found("payment_intent", "payment_intent"))
        of_kind: tuple[Refund | Dispute, ...] = intent.refunds if kind == "refund" else intent.disputes
        parts = sorted(of_kind, key=place_of, reverse=True)
        if query.starting_after is not None:
            after = place_of(intent.part(query.starting_after))
            parts = [part for part in parts if place_of(part) < after]
        return [part_shape(part, intent) for part in parts if part.created >= query.created_since]


def _shape(made: CreatedObject, intent: PaymentIntent) -> Shape:
    part = intent.part(made.id)
    return part_shape(part, intent) if part else intent_shape(intent)
