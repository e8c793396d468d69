"""Purchases and charges: the steps over ticket, charge and Stripe, and the check of one against the other."""
