"""``holdfast doctor``: what of this machine, its servers and settings would trouble a market, and what to do."""
