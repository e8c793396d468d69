"""The actors of Holdfast: what happens to a ticket, an order and a charge, one message at a time."""
