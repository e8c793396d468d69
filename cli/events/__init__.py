"""``holdfast events``: the groups that read the event stream, and the events that they could not handle."""
