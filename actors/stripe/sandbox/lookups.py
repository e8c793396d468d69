"""Answers to GET requests: one object, or a page of them (https://docs.stripe.com/api/pagination)."""

from collections.abc import Mapping

from actors.stripe.sandbox.failures import RequestRefused, not_found
from actors.stripe.sandbox.form import Form
from actors.stripe.sandbox.ledger import Ledger, Span
from actors.stripe.sandbox.list_query import ListQuery, place_of, read_list
from actors.stripe.sandbox.notes import PartKind
from actors.stripe.sandbox.payment_intent import Answer, Dispute, Refund
from actors.stripe.sandbox.routes import Lookup
from actors.stripe.sandbox.shapes import Shape, intent_shape, object_answer, part_shape


class Lookups:
    """Reads the ledger. Every method may raise RequestRefused and LedgerUnavailable."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def answer(self, lookup: Lookup, path: str, fields: Mapping[str, str]) -> Answer:
        """The object that is looked up, or the list of its kind."""
        if lookup.object_id is not None:
            return object_answer(await self._one(lookup, lookup.object_id))
        query = read_list(Form(fields), filters_by_intent=lookup.kind != "intent")
        # One more than asked for tells whether there is more.
        if lookup.kind == "intent":
            shapes = await self._intents(query)
        elif query.intent_id is None:
            shapes = await self._parts(lookup.kind, query)
        else:
            shapes = await self._parts_of(query.intent_id, lookup.kind, query)
        page = {
            "object": "list",
            "data": shapes[: query.limit],
            "has_more": len(shapes) > query.limit,
            "url": path,
        }
        return object_answer(page)

    async def _one(self, lookup: Lookup, object_id: str) -> Shape:
        if lookup.kind == "intent":
            intent = await self._ledger.load(object_id)
            if intent is None:
                raise RequestRefused(not_found("payment_intent", "intent"))
            return intent_shape(intent)
        note = await self._ledger.part(object_id)
        intent = await self._ledger.load(note.intent_id) if note else None
        part = intent.part(object_id) if intent else None
        if intent is None or part is None or _kind_of(part) != lookup.kind:
            raise RequestRefused(not_found(lookup.kind, "id"))
        return part_shape(part, intent)

    async def _intents(self, query: ListQuery) -> list[Shape]:
        after = None
        if query.starting_after is not None:
            after = place_of(await self._ledger.load(query.starting_after))
        span = Span(query.limit + 1, query.created_since, after)
        return [intent_shape(intent) for intent in await self._ledger.intents(span)]

    async def _parts(self, kind: PartKind, query: ListQuery) -> list[Shape]:
        after = None
        if query.starting_after is not None:
            after = place_of(await self._ledger.part(query.starting_after))
        found: list[Shape] = []
        while len(found) <= query.limit:
            notes = await self._ledger.parts(kind, Span(query.limit + 1, query.created_since, after))
            intents = await self._ledger.load_all({note.intent_id for note in notes})
            for note in notes:
                intent = intents.get(note.intent_id)
                part = intent.part(note.id) if intent else None
                # A note of a change that was never saved leads to nothing.
                if intent and part:
                    found.append(part_shape(part, intent))
            if len(notes) <= query.limit:
                break
            after = place_of(notes[-1])
        return found

    async def _parts_of(self, intent_id: str, kind: PartKind, query: ListQuery) -> list[Shape]:
        intent = await self._ledger.load(intent_id)
        if intent is None:
            raise RequestRefused(not_found("payment_intent", "payment_intent"))
        parts = sorted((part for part in intent.parts if _kind_of(part) == kind), key=place_of, reverse=True)
        if query.starting_after is not None:
            after = place_of(intent.part(query.starting_after))
            parts = [part for part in parts if place_of(part) < after]
        return [part_shape(part, intent) for part in parts if part.created >= query.created_since]


def _kind_of(part: Refund | Dispute) -> PartKind:
    return "refund" if isinstance(part, Refund) else "dispute"
