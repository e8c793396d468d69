"""The sandbox's records as documents of MongoDB."""

from dataclasses import asdict
from typing import Any

from actors.stripe.sandbox.failures import Failure
from actors.stripe.sandbox.ledger import Claim
from actors.stripe.sandbox.notes import EventNote, PartNote
from actors.stripe.sandbox.payment_intent import Dispute, PaymentIntent, Refund, SavedAnswer, Settlement

Document = dict[str, Any]


def document_of(record: PaymentIntent | PartNote | EventNote) -> Document:
    """A record's fields, its id as `_id`."""
    fields = asdict(record)
    return {"_id": fields.pop("id"), **fields}


def document_of_claim(claim: Claim) -> Document:
    """A claim's fields, its key as `_id`."""
    fields = asdict(claim)
    return {"_id": fields.pop("key"), **fields}


def claim_of(document: Document) -> Claim:
    """The claim in a document."""
    return Claim(**_fields(document, "key"))


def part_of(document: Document) -> PartNote:
    """The note of a refund or dispute in a document."""
    return PartNote(**_fields(document, "id"))


def event_of(document: Document) -> EventNote:
    """The event in a document."""
    return EventNote(**_fields(document, "id"))


def intent_of(document: Document) -> PaymentIntent:
    """The intent in a document."""
    fields = _fields(document, "id")
    last_error = fields["last_payment_error"]
    fields["last_payment_error"] = Failure(**last_error) if last_error else None
    fields["refunds"] = tuple(Refund(**refund) for refund in fields["refunds"])
    fields["answers"] = tuple(SavedAnswer(**answer) for answer in fields["answers"])
    # Intents that were written by an earlier release of the sandbox do not have these.
    fields["disputes"] = tuple(Dispute(**dispute) for dispute in fields.get("disputes", ()))
    fields["settlements"] = tuple(Settlement(**settlement) for settlement in fields.get("settlements", ()))
    fields["changes"] = tuple(fields.get("changes", ()))
    return PaymentIntent(**fields)


def _fields(document: Document, identity: str) -> Document:
    return {identity: document["_id"], **{name: value for name, value in document.items() if name != "_id"}}
