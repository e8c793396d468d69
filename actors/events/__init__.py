"""The event stream: what committed events say to the world, how they get into Redis, and that none is lost there.

Read `published.py` (what an event says), `redis_stream.py` (appending), `epochs.py` (after Redis lost something),
`journal_history.py` (events as the journal has them), `consumer.py` (our own consumers). What others import to read the
stream is `holdfast.events`.
"""
