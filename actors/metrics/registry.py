"""Every metric of the market: its name, type, unit, labels and what it means. There are no others.

Prometheus sees `ray_holdfast_` before each name, and `_total` behind those of counters. The values of a label are a
closed set, so that the number of series is bounded: none is ever an id.

Durations are counters with the label `le`, the upper end of a bucket in seconds, which `histogram_quantile` takes.
Ray's own histograms cost its agent 11 us for each observation (measured); these cost the same however much happens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version

from actors.cluster import names
from actors.domain import refusals
from actors.domain.refusals import Refusal
from actors.domain.stored_events import EVENT_TYPES
from actors.runtime.signals import BUCKET_SECONDS
from actors.storage.schema import SCHEMA

PREFIX = "holdfast_"
# What stands for everything that has no value of its own.
OTHER = "other"
# In place of the names of tickets that have an actor of their own: they are told of as one.
DEDICATED = "dedicated"

Values = frozenset[str]


class MetricType(StrEnum):
    """Whether it only ever rises, or is what it is at the moment."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """`labels` has the values that each label may have, None where they are the names of shared actors.

    Of a counter that `begins_at_zero` every series is there from the beginning, so that the first thing that it counts
    is an increase: those that alerts wait for.
    """

    name: str
    type: MetricType
    unit: str
    help: str
    labels: Mapping[str, Values | None]
    begins_at_zero: bool = False

    @property
    def exported(self) -> str:
        """What Prometheus calls it."""
        return f"ray_{PREFIX}{self.name}" + ("_total" if self.type is MetricType.COUNTER else "")


METRICS: dict[str, Metric] = {}


def _counter(name: str, unit: str, text: str, *, begins_at_zero: bool = False, **labels: Values | None) -> Metric:
    return METRICS.setdefault(name, Metric(name, MetricType.COUNTER, unit, text, labels, begins_at_zero))


def _gauge(name: str, unit: str, text: str, **labels: Values | None) -> Metric:
    return METRICS.setdefault(name, Metric(name, MetricType.GAUGE, unit, text, labels))


def ends(buckets: tuple[float, ...]) -> tuple[str, ...]:
    """Return the values of `le` for buckets with these upper ends, in seconds, and for all that is longer."""
    return (*(f"{end:g}" for end in buckets), "+Inf")


def _refusals_below(cls: type[Refusal]) -> set[str]:
    return {cls.__name__}.union(*(_refusals_below(each) for each in cls.__subclasses__()))


_HOSTS = frozenset({names.TICKETS, names.PAYMENTS})
_KINDS = _HOSTS | {names.ORDERS}
_EVENTS = frozenset(
    name for name in EVENT_TYPES if name.startswith(("Ticket", "Order", "Offer", "Waiter", "Waiting", "Charge"))
)
_REFUSALS = frozenset(name for name in _refusals_below(Refusal) if hasattr(refusals, name)) | {OTHER}
_LE = frozenset(ends(BUCKET_SECONDS))

# Fewer buckets than for hosts: there are as many of them as there are measured routes.
REQUEST_BUCKET_SECONDS = (0.025, 0.1, 0.25, 1.0, 5.0)
PAGES = "pages"
# The requests that people wait for. What everything else takes is one number: the rest of the API, and the pages.
ROUTES = (
    "POST /api/orders", "POST /api/payments", "GET /api/tickets",
    "GET /api/tickets/{ticket_id}", "POST /api/tickets", "POST /api/users/signin", PAGES, OTHER,
)  # fmt: skip
_ROUTES = frozenset(ROUTES)
OUTCOMES = ("ok", "refused", "limited", "unavailable", "failed")
# Our own consumers of events; those of others are one.
GROUPS = ("receipts", "webhooks", OTHER)
_GROUPS = frozenset(GROUPS)

# What hosts do

EVENTS = _counter("events", "events", "What happened to tickets, orders and charges", kind=_HOSTS, event=_EVENTS)
REFUSALS = _counter("refusals", "messages", "Messages that were refused, by the rule", kind=_KINDS, reason=_REFUSALS)
MESSAGES = _counter("messages", "messages", "Messages that reached actors", kind=_KINDS)
TURNS = _counter("turns", "turns", "Turns of hosts: messages that were decided together", kind=_HOSTS)
COMMITS = _counter("commits", "commits", "Commits in the journal", kind=_HOSTS)
FENCED = _counter(
    "fenced", "turns", "Turns that were decided again because their memory was stale", begins_at_zero=True, kind=_HOSTS
)
MAILBOX_WAIT = _counter(
    "mailbox_wait_seconds_bucket", "messages", "How long messages waited for their turn", kind=_HOSTS, le=_LE
)
TURN_SECONDS = _counter("turn_seconds_bucket", "turns", "How long turns took, commits included", kind=_HOSTS, le=_LE)
COMMIT_SECONDS = _counter("commit_seconds_bucket", "commits", "How long the database took", kind=_HOSTS, le=_LE)
EXPIRY_LATE = _counter(
    "expiry_late_seconds_bucket", "holds", "How long after their time holds ended", kind=_HOSTS, le=_LE
)
MAILBOX_DEPTH = _gauge("mailbox_depth", "messages", "Messages that wait for a turn", kind=_HOSTS, host=None)
OLDEST_WAIT = _gauge(
    "mailbox_oldest_wait_seconds", "seconds", "How long the first of them has waited", kind=_HOSTS, host=None
)
BUSY_SHARE = _gauge("busy_share", "ratio", "Share of the last seconds spent in turns", kind=_HOSTS, host=None)
ENTITIES = _gauge("entities", "entities", "Tickets and charges in memory", kind=_HOSTS, host=None)
HOLDS = _gauge("holds", "holds", "Tickets whose holds have a timer", kind=_HOSTS, host=None)
UNAPPLIED = _gauge("unapplied_commits", "commits", "Commits whose documents are not written", kind=_HOSTS, host=None)
UNPUBLISHED = _gauge(
    "unpublished_commits", "commits", "Commits whose events are not in the stream", kind=_HOSTS, host=None
)

# What the Supervisor knows

HOSTS = _gauge(
    "hosts", "actors", "Actors that gave a sign of life in the last round, and those that did not",
    kind=_KINDS, state=frozenset({"answering", "silent"}),
)  # fmt: skip
REPLACED = _counter(
    "replaced_actors", "actors", "Actors that were ended because they were silent or did not come back",
    begins_at_zero=True, why=frozenset({"actor_silent", "actor_missing"}),
)  # fmt: skip
RECOVERED = _counter("recovered_writers", "writers", "Dead writers whose commits were relayed", begins_at_zero=True)
MEMBERSHIP = _gauge("membership_version", "version", "The newest version of the membership that an actor knows")
DEDICATED_ACTORS = _gauge("dedicated_actors", "actors", "Tickets with an actor of their own")
STRIPE_CALLS = _counter(
    "stripe_calls", "calls", "Calls to Stripe; a declined card is answered", begins_at_zero=True,
    outcome=frozenset({"answered", "failed"}),
)  # fmt: skip
WEBHOOK_DELIVERIES = _counter(
    "webhook_deliveries", "tries", "Tries to deliver events to webhook endpoints", begins_at_zero=True,
    outcome=frozenset({"delivered", "failed"}),
)  # fmt: skip
DATABASE_UP = _gauge("database_up", "boolean", "Whether the database answers the Supervisor")
REDIS_UP = _gauge("redis_up", "boolean", "Whether Redis answers the Supervisor")
OLDEST_UNSETTLED = _gauge(
    "oldest_unsettled_seconds", "seconds", "How long ago anything happened to the purchase that waits longest for money"
)
STUCK_PURCHASES = _gauge("stuck_purchases", "purchases", "Purchases that nothing happened to for five minutes")
FAILED_REFUNDS = _gauge("failed_refunds", "refunds", "Refunds to be paid by hand; more than 100 are 100")
CONSUMER_LAG = _gauge(
    "consumer_lag_seconds", "seconds", "How old the oldest event is that a consumer did not handle", group=_GROUPS
)
CONSUMER_PENDING = _gauge("consumer_pending", "events", "Events in the hands of a consumer", group=_GROUPS)
DEAD_LETTERS = _gauge("dead_letters", "events", "Events that a consumer gave up", group=_GROUPS)
VERSION = version("holdfast")
BUILD_INFO = _gauge(
    "build_info",
    "1",
    "1 for the release of the Supervisor",
    version=frozenset({VERSION}),
    schema=frozenset({str(SCHEMA)}),
)

# What replicas answer

REQUESTS = _counter("requests", "requests", "Answers to requests", route=_ROUTES, outcome=frozenset(OUTCOMES))
REQUEST_SECONDS = _counter(
    "request_seconds_bucket", "requests", "How long requests took; streams are not counted",
    route=_ROUTES, le=frozenset(ends(REQUEST_BUCKET_SECONDS)),
)  # fmt: skip
