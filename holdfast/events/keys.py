"""Redis keys of a consumer group, and which names are allowed in them.

The braces put what belongs to a partition into the slot of its stream: a script touches one slot only.
"""

import re

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def checked_name(what: str, name: str) -> str:
    """Return the name. Raises ValueError unless it is 1 to 64 letters, digits, hyphens and underscores."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{what} is 1 to 64 of A-Z, a-z, 0-9, _ and -, not {name!r}")
    return name


def lease_key(group: str, partition: int) -> str:
    """Return the key whose value names the member that reads a partition, as `<client id>:<token>`."""
    return f"holdfast:group:{group}:lease:{{{partition:02d}}}"


def missed_key(group: str, partition: int) -> str:
    """Return the key of a hash: what is to be read from the history before a partition is read on.

    Its field `since` is an instant in milliseconds. Every other field is an entity, with the last version handled.
    """
    return f"holdfast:group:{group}:missed:{{{partition:02d}}}"


def replay_key(group: str, partition: int) -> str:
    """Return the key of the stream of dead letters that one group is given again."""
    return f"holdfast:group:{group}:replay:{{{partition:02d}}}"


def members_key(group: str) -> str:
    """Return the key of a sorted set: client ids by the time of their last heartbeat, in Unix seconds."""
    return f"holdfast:group:{group}:members"


def member_key(group: str, client_id: str) -> str:
    """Return the key that exists as long as a member lives; its value is the member's token."""
    return f"holdfast:group:{group}:member:{client_id}"


def dead_letters_key(group: str) -> str:
    """Return the key of the stream of a group's dead letters."""
    return f"holdfast:dead:{group}"
