"""Where events lie in Redis: one stream for each partition, and beside it the epoch in which it is written.

All that concerns a ticket (itself, its orders, the charges for them) is in one partition, in the order of publishing.
The braces make a partition one slot of a Redis Cluster.
"""

import hashlib
from collections.abc import Sequence

PARTITIONS = 16


def partition_of(key: str) -> int:
    """Return the partition of an ordering key, such as a ticket's id."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=2).digest()) % PARTITIONS


def stream_key(partition: int) -> str:
    """Return the Redis key of a partition's stream."""
    return f"holdfast:events:{{{partition:02d}}}"


def epoch_key(partition: int) -> str:
    """Return the Redis key under which the epoch of a partition's stream is kept."""
    return f"holdfast:events:epoch:{{{partition:02d}}}"


STREAM_KEYS: Sequence[str] = tuple(stream_key(partition) for partition in range(PARTITIONS))
EPOCH_KEYS: Sequence[str] = tuple(epoch_key(partition) for partition in range(PARTITIONS))
