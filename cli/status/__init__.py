"""``holdfast status``: how the market is now, asked of Ray, the actors, the database, Redis and Stripe."""
