"""Judges what the probe noted: when the market served again, which answers were wrong, what was lost. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tests.chaos.records import Answer, Purchase, Verb, Wish

DONE = {Verb.LIST: {201}, Verb.RESERVE: {200, 201}, Verb.CANCEL: {204}, Verb.PAY: {200, 201}}
# A payment whose outcome is not known yet is told so.
PENDING = {Verb.PAY: {202}}
UNAVAILABLE = 503
# Whoever waits longer than this was not served but held up. Undisturbed, a reservation takes 10 ms and a payment 0.2 s.
SLOW_SECONDS = {Verb.LIST: 0.5, Verb.RESERVE: 0.5, Verb.CANCEL: 0.5, Verb.PAY: 2.0}

STATES = {
    Wish.HELD: {"created"},
    Wish.CANCELLING: {"created", "cancelled"},
    Wish.CANCELLED: {"cancelled"},
    Wish.PAYING: {"created", "awaiting:payment", "complete"},
    Wish.PAID: {"complete"},
}
HOLDING = {"created": "reserved", "awaiting:payment": "reserved", "complete": "sold"}


def is_done(answer: Answer) -> bool:
    """Whether what was asked was done."""
    return answer.status in DONE[answer.verb]


def is_trouble(answer: Answer) -> bool:
    """Whether somebody was refused, or was done what they asked only after being held up."""
    return not is_done(answer) or answer.heard - answer.sent > SLOW_SECONDS[answer.verb]


def served_again_after(answers: Iterable[Answer], verb: Verb, since: float) -> float | None:
    """The seconds from `since` to the first success after which whoever asked was served; None when there is none.

    0.0 when nobody noticed anything. What was asked before that success may still be refused after it.
    """
    asked = [answer for answer in answers if answer.verb is verb and answer.heard >= since]
    troubled = [answer.sent for answer in asked if is_trouble(answer)]
    if not troubled:
        return 0.0 if asked else None
    successes = [answer.heard for answer in asked if is_done(answer) and answer.heard >= max(troubled)]
    return min(successes) - since if successes else None


def slowest(answers: Iterable[Answer], verb: Verb, since: float) -> float:
    """How long somebody waited for an answer, whatever it was, in seconds."""
    return max(
        (answer.heard - answer.sent for answer in answers if answer.verb is verb and answer.heard >= since), default=0.0
    )


def longest_gap(answers: Iterable[Answer], verb: Verb, since: float, until: float) -> float:
    """The longest time in [since, until] in which nothing that was asked was done, in seconds."""
    done = sorted(
        each.heard for each in answers if each.verb is verb and is_done(each) and since <= each.heard <= until
    )
    return max(later - earlier for earlier, later in pairwise([since, *done, until]))


def wrong_answers(answers: Iterable[Answer], *, may_break: bool) -> list[str]:
    """Every answer that nobody may get, whatever is away. `may_break`: connections may be refused or cut."""
    return [complaint for answer in answers if (complaint := _complaint(answer, may_break=may_break))]


def _complaint(answer: Answer, *, may_break: bool) -> str | None:
    took = f"{answer.verb} after {answer.heard - answer.sent:.1f} s"
    if answer.status is None:
        return None if may_break else f"{took}: no answer ({answer.said})"
    if answer.status == UNAVAILABLE:
        retry = answer.retry_after or ""
        if retry.isdigit() and int(retry) > 0:
            return None
        return f"{took}: 503 with Retry-After {answer.retry_after}: {answer.said}"
    if is_done(answer) or answer.status in PENDING.get(answer.verb, ()):
        return None
    return f"{took}: {answer.status}: {answer.said}"


def broken_promise(purchase: Purchase, order: Mapping[str, Any] | None, ticket: Mapping[str, Any] | None) -> str | None:
    """What is not as it was acknowledged, given the order and its ticket as they are read now; None: all is well."""
    reservation = purchase.reservation
    if order is None or ticket is None:
        return f"order {purchase.order_id} or its ticket {reservation.ticket_id} is not there"
    status = order["status"]
    faults = [
        fault
        for is_so, fault in (
            (
                purchase.price != reservation.asked_price,
                f"was held at {purchase.price}, not at {reservation.asked_price}",
            ),
            (order["price"] != purchase.price, f"costs {order['price']}, not {purchase.price}"),
            (order["userId"] != reservation.buyer_id, f"belongs to {order['userId']}"),
            (order["ticket"]["id"] != reservation.ticket_id, f"is for {order['ticket']['id']}"),
            (status not in STATES[purchase.wish], f"is {status} ({order.get('cancelReason')}), not {purchase.wish}"),
            (status == "cancelled" and order.get("cancelReason") != "buyer", f"ended as {order.get('cancelReason')}"),
            (
                status in HOLDING and (ticket["orderId"], ticket["status"]) != (purchase.order_id, HOLDING[status]),
                f"is {status}, but its ticket is {ticket['status']} for {ticket['orderId']}",
            ),
        )
        if is_so
    ]
    return f"order {purchase.order_id} " + ", ".join(faults) if faults else None


def median(values: Sequence[float]) -> float:
    """The middle one, the upper one of two."""
    return sorted(values)[len(values) // 2]
