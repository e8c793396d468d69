"""Consumers of tests: what they were handed, and in which order."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from holdfast.events import Message, Subscription


async def next_message(subscription: Subscription, seconds: float = 10.0) -> Message:
    """Return the next message. Raises TimeoutError when there is none within that time."""
    async with asyncio.timeout(seconds):
        return await anext(subscription)


async def take(subscription: Subscription, count: int, seconds: float = 20.0) -> list[Message]:
    """Acknowledge so many messages and return them. Raises TimeoutError."""
    messages: list[Message] = []
    async with asyncio.timeout(seconds):
        while len(messages) < count:
            messages.append(message := await anext(subscription))
            await message.ack()
    return messages


async def nothing_comes(subscription: Subscription, seconds: float = 0.3) -> bool:
    """Return whether no message comes within that time."""
    try:
        async with asyncio.timeout(seconds):
            await anext(subscription)
    except TimeoutError:
        return True
    return False


def ids(messages: Sequence[Message]) -> list[str]:
    """Return their ids."""
    return [message.id for message in messages]


def first_handlings(handled: Sequence[tuple[str, int]]) -> dict[str, list[int]]:
    """Return, of each entity, its versions in the order in which they were handled first."""
    found: dict[str, dict[int, None]] = defaultdict(dict)
    for entity, version in handled:
        found[entity].setdefault(version)
    return {entity: list(versions) for entity, versions in found.items()}
