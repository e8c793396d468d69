"""Events for programs: the replica's one reader of the bus, who may hear what, and the streams that are open.

Read `views.py` (what of an event leaves the market, and to whom), `feed.py` (who listens), `frames.py` (what is sent).
"""
