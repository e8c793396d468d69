"""The event bus for consumers: durable subscriptions to what happens on a market.

async with connect(redis_url, client_id="stats-1") as client:
    subscription = await client.subscribe("order.*", durable="seller-stats", queue_group="seller-stats")
    async for message in subscription:
        try:
            await count(message.subject, message.data)
        except OSError as error:
            await message.nak(error=error)
        else:
            await message.ack()
"""

from holdfast.events.backlog import PositionLostError, read_between
from holdfast.events.client import Client, connect
from holdfast.events.deliver import Deliver, From, Since
from holdfast.events.ephemeral import EphemeralSubscription
from holdfast.events.errors import ClientIdInUseError, DurableInUseError, SubscriptionRefusedError
from holdfast.events.event import Event, MalformedEventError
from holdfast.events.groups import GroupStatus, groups
from holdfast.events.history import History
from holdfast.events.message import Gap, Message
from holdfast.events.positions import InMemoryPositions, Positions
from holdfast.events.stream_position import StreamPosition
from holdfast.events.subjects import Subjects
from holdfast.events.subscription import Subscription

__all__ = [
    "Client",
    "ClientIdInUseError",
    "Deliver",
    "DurableInUseError",
    "EphemeralSubscription",
    "Event",
    "From",
    "Gap",
    "GroupStatus",
    "History",
    "InMemoryPositions",
    "MalformedEventError",
    "Message",
    "PositionLostError",
    "Positions",
    "Since",
    "StreamPosition",
    "Subjects",
    "Subscription",
    "SubscriptionRefusedError",
    "connect",
    "groups",
    "read_between",
]
