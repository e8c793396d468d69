"""``holdfast seed``: fills a market that tries things out with people, tickets and sales."""
