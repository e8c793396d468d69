"""How the groups stand, for ``holdfast events``."""

from redis.asyncio import Redis
from rich.table import Table

from cli.market_redis import open_redis
from cli.status.document import GroupLag
from config.settings import Settings
from holdfast.events import GroupStatus, dead_letters, groups
from holdfast.events.keys import checked_name


class NoSuchGroupError(Exception):
    """No group has this name; the message says where to find those that are there."""


async def statuses(settings: Settings, group: str | None = None) -> list[GroupStatus]:
    """Return all groups by name, or this one. Raises NotRunningError, RedisUnusableError and NoSuchGroupError."""
    async with open_redis(settings) as redis:
        found = await groups(redis)
    if group is None:
        return found
    named = [status for status in found if status.group == group]
    if not named:
        raise NoSuchGroupError(_no_group(group))
    return named


async def checked_group(redis: Redis, group: str) -> str:
    """Return the name of a group that is there, or that left dead letters. Raises NoSuchGroupError and RedisError."""
    try:
        checked_name("a group", group)
    except ValueError as error:
        raise NoSuchGroupError(_no_group(group)) from error
    is_there = group in {status.group for status in await groups(redis)}
    if not is_there and not await dead_letters.list_dead_letters(redis, group, limit=1):
        raise NoSuchGroupError(_no_group(group))
    return group


def _no_group(group: str) -> str:
    return f"there is no group {group}: `holdfast events groups` lists those that are there"


def as_json(status: GroupStatus) -> GroupLag:
    """Return it for programs."""
    return GroupLag(
        group=status.group,
        members=list(status.members),
        pending=status.pending,
        ageSeconds=status.age_seconds,
        deadLetters=status.dead_letters,
    )


def table(found: list[GroupStatus]) -> Table:
    """Return a row for each group; `age` is that of the oldest event that is not acknowledged."""
    shown = Table("group", "members", "pending", "age", "dead letters")
    for status in found:
        members = ", ".join(status.members) or "none"
        counts = f"{status.pending:,}", f"{status.age_seconds:,.1f} s", f"{status.dead_letters:,}"
        shown.add_row(status.group, members, *counts)
    return shown
