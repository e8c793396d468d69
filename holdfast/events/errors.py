"""What a consumer may be refused."""


class SubscriptionRefusedError(Exception):
    """A subscription that others stand in the way of."""


class ClientIdInUseError(SubscriptionRefusedError):
    """Another living member of the group has this client id."""


class DurableInUseError(SubscriptionRefusedError):
    """The durable has a living member, and no queue group was named in which it could be shared."""
