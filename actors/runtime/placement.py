"""Which host an id lives in, by rendezvous hashing: another host takes its share of the ids, and no other id moves."""

from functools import lru_cache
from hashlib import blake2b


@lru_cache(maxsize=65_536)
def host_of(names: tuple[str, ...], entity_id: str) -> str:
    """Return the one of the hosts that the id lives in, such as `tickets-0`. The order of the names does not matter."""
    if len(names) == 1:
        return names[0]
    return max(names, key=lambda name: blake2b(f"{name}/{entity_id}".encode(), digest_size=8).digest())
