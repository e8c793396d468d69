"""What people read when they are refused, as the pages and the API say it."""

RESERVED = "Somebody holds this ticket. It is for sale again if they let go."
SOLD = "This ticket is sold."
NOT_HELD = "Nobody holds this ticket: it is for sale, and you can buy it now."
HELD_BY_YOU = "You hold this ticket yourself."
LINE_CLOSED = "The seller takes nobody else into the waiting list for this ticket."
WITHDRAWN = "The seller has withdrawn this ticket."
PRICE_CHANGED = "The seller changed the price before you had the ticket. The price is now {:,.2f}"
COMPLETE = "This order is paid and complete."
ANOTHER_CARD = "Another card is being charged for this order. Ask again when that is decided."
DECLINED = "The payment was declined. The order is cancelled and its ticket for sale again."
ENDINGS = {
    "buyer": "You cancelled this order.",
    "expired": "The time to pay this order is over; its ticket is for sale again.",
    "declined": "The payment was declined and the order cancelled; its ticket is for sale again.",
}
OF_STATES = {"reserved": RESERVED, "sold": SOLD, "withdrawn": WITHDRAWN}
