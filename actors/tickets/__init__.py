"""Tickets as entities of the runtime: their documents, the holds of a buyer, and actors of their own."""
