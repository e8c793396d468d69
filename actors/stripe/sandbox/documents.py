"""The ledger's changes as documents of MongoDB."""

from dataclasses import replace

from actors.domain.codec import Document, decode, encode
from actors.stripe.sandbox.ledger_entry import Change, CreatedObject, Event, IdempotencyRecord, Kind, PendingWebhook
from actors.stripe.sandbox.payment_intent import Dispute, PaymentIntent, Refund, Settlement

PARTS = ("refunds", "disputes", "settlements")


def document_of(change: Change) -> Document:
    """A change, with the fields that it is found by.

    `place` is where it stands in the list of what it made; `settle_at` and `due_at` are there while something is to
    be done.
    """
    document: Document = {
        "_id": change.id,
        "at": change.at,
        "intent_id": change.intent.id,
        "intent": encode(change.intent),
    }
    for name in PARTS:
        document["intent"][name] = [encode(part) for part in getattr(change.intent, name)]
    if change.use is not None:
        document["use"] = encode(change.use)
    if change.made is not None:
        document["made"] = encode(change.made)
        document["place"] = place(change.made.kind, change.made.created, change.made.id)
    if change.settle_at is not None:
        document["settle_at"] = change.settle_at
    if change.events:
        document.update(events=[encode(event) for event in change.events], due_at=change.at, attempts=0)
    return document


def place(kind: Kind, created: int, object_id: str = "") -> str:
    """Orders the objects of a kind by time, and by id within a second; without an id, before all of the second."""
    return f"{kind}:{created:012d}:{object_id}"


def document_of_use(use: IdempotencyRecord) -> Document:
    """The use of a key that changed nothing."""
    return {"_id": f"key:{use.key}", "use": encode(use)}


def intent_of(document: Document) -> PaymentIntent:
    """The intent after the change in a document."""
    stored = document["intent"]
    return replace(
        decode(PaymentIntent, stored),
        refunds=tuple(decode(Refund, part) for part in stored["refunds"]),
        disputes=tuple(decode(Dispute, part) for part in stored["disputes"]),
        settlements=tuple(decode(Settlement, part) for part in stored["settlements"]),
    )


def announcement_of(document: Document) -> PendingWebhook:
    """The webhook events of the change in a document."""
    events = tuple(decode(Event, event) for event in document["events"])
    return PendingWebhook(document["_id"], document["at"], events, document["due_at"], document["attempts"])


def made_of(document: Document) -> CreatedObject:
    """What the change in a document made."""
    return decode(CreatedObject, document["made"])


def use_of(document: Document) -> IdempotencyRecord:
    """The use of a key in a document."""
    return decode(IdempotencyRecord, document["use"])
