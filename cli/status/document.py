"""What ``holdfast status --json`` prints. docs/operations.md describes each field; fields are added, never renamed.

Times are ISO 8601, durations in seconds. What nobody answered is null.
"""

from typing import Literal

from typing_extensions import TypedDict  # whose shape pydantic can check before Python 3.12


class ServerStatus(TypedDict):
    """Something that the market needs: whether it answers, in one line what it is or why not, and how fast."""

    state: Literal["up", "away"]
    detail: str
    answerSeconds: float | None


class NodeStatus(TypedDict):
    """A machine of the Ray cluster that Ray takes for alive."""

    id: str
    address: str
    name: str


class ActorStatus(TypedDict):
    """An actor of the market. Of one that is silent or starts, Ray says where it is, and nobody the rest."""

    name: str
    kind: str
    state: Literal["answers", "silent", "starting"]
    node: str
    pid: int
    writer: str | None
    upSince: str | None
    restarts: int
    mailboxDepth: int | None
    oldestWaitSeconds: float | None
    busyShare: float | None
    entities: int | None
    holds: int | None
    unapplied: int | None
    unpublished: int | None
    commitSeconds: float | None
    counters: dict[str, int]


class ReplicaStatus(TypedDict):
    """A replica of the API. Its name begins with its application and its deployment."""

    name: str
    state: Literal["answers", "silent", "starting"]
    node: str
    pid: int
    restarts: int


class DutyStatus(TypedDict):
    """A background job of the Supervisor."""

    name: str
    everySeconds: float
    runs: int
    failures: int
    lastRunAt: str | None
    lastFailure: str | None


class GroupLag(TypedDict):
    """A group that reads the event stream; as ``holdfast events groups --json`` has it."""

    group: str
    members: list[str]
    pending: int
    ageSeconds: float
    deadLetters: int


class UnsettledPurchases(TypedDict):
    """How many orders wait for money, 1,000 if there are more, and since when nothing happened to the oldest."""

    orders: int
    oldestSeconds: float


class RayView(TypedDict):
    """What Ray knows, and what the actors say themselves."""

    nodes: list[NodeStatus]
    actors: list[ActorStatus]
    replicas: list[ReplicaStatus]
    duties: list[DutyStatus]


class Status(TypedDict):
    """The market now. `problems` has a line for each thing that is away, silent or missing."""

    at: str
    problems: list[str]
    servers: dict[Literal["database", "redis", "stripe", "ray"], ServerStatus]
    nodes: list[NodeStatus]
    actors: list[ActorStatus]
    replicas: list[ReplicaStatus]
    duties: list[DutyStatus]
    groups: list[GroupLag] | None
    unsettledPurchases: UnsettledPurchases | None
