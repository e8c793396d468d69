"""The market's status for people: one table for each part, as wide as the terminal."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.status.document import ActorStatus, Status
from serve_app.http.timestamps import instant_of

SHORT_ID = 8
_UNKNOWN = "?"


def whole(status: Status) -> Group:
    """Return everything, with what is wrong at the end, where a terminal shows it."""
    parts = (servers(status), actors(status), replicas(status), duties(status), groups(status))
    return Group(*(part for part in parts if part.row_count), money(status), *problems(status))


def servers(status: Status) -> Table:
    """Return whether the servers answer."""
    table = Table("server", "state", "")
    for name, server in status["servers"].items():
        state = Text(server["state"], style="green" if server["state"] == "up" else "bold red")
        table.add_row(name, state, server["detail"])
    return table


def actors(status: Status) -> Table:
    """Return a row for each actor. The node is there if there are several."""
    several = len(status["nodes"]) > 1
    table = Table("actor", "process", "restarts", "mailbox", "oldest", "busy", "awake", "holds", "behind", "up since")
    if several:
        table.add_column("node")
    for actor in status["actors"]:
        row: list[Text | str] = [
            Text(actor["name"], style="" if actor["state"] == "answers" else "bold red"),
            str(actor["pid"]) if actor["state"] == "answers" else f"{actor['pid']} {actor['state']}",
            str(actor["restarts"]),
            number(actor["mailboxDepth"]),
            seconds(actor["oldestWaitSeconds"]),
            percent(actor["busyShare"]),
            number(actor["entities"]),
            number(actor["holds"]),
            behind(actor),
            actor["upSince"] or _UNKNOWN,
        ]
        table.add_row(*row, *([node_name(status, actor["node"])] if several else []))
    return table


def replicas(status: Status) -> Table:
    """Return a row for each replica of the API."""
    table = Table("replica", "process", "state", "restarts", "node")
    for replica in status["replicas"]:
        state = Text(replica["state"], style="" if replica["state"] == "answers" else "bold red")
        place = node_name(status, replica["node"])
        table.add_row(replica["name"], str(replica["pid"]), state, str(replica["restarts"]), place)
    return table


def duties(status: Status) -> Table:
    """Return how the background work does."""
    table = Table("duty", "every", "last run", "runs", "failures", "last failure")
    now = instant_of(status["at"])
    for duty in status["duties"]:
        last_run_at = duty["lastRunAt"]
        ago = "never" if last_run_at is None else f"{max(0, now - instant_of(last_run_at)) / 1_000:.0f} s ago"
        period = f"{duty['everySeconds']:g} s" if duty["everySeconds"] else "at once"
        counts = (f"{duty['runs']:,}", f"{duty['failures']:,}")
        table.add_row(duty["name"], period, ago, *counts, duty["lastFailure"] or "")
    return table


def groups(status: Status) -> Table:
    """Return how far the groups are that read the event stream."""
    table = Table("event consumers", "members", "pending", "behind", "dead letters")
    for group in status["groups"] or ():
        counts = (f"{group['pending']:,}", seconds(group["ageSeconds"]), f"{group['deadLetters']:,}")
        table.add_row(group["group"], str(len(group["members"])), *counts)
    return table


def money(status: Status) -> Text:
    """Return how many purchases wait for money."""
    waiting = status["unsettledPurchases"]
    if waiting is None:
        return Text("unsettled purchases: unknown, the database is away")
    if not waiting["orders"]:
        return Text("unsettled purchases: none")
    return Text(f"unsettled purchases: {waiting['orders']:,}, the oldest for {waiting['oldestSeconds']:.0f} s")


def problems(status: Status) -> Iterable[RenderableType]:
    """Return a line for each problem, or one that says that there is none."""
    if not status["problems"]:
        return [Text("everything answers", style="green")]
    return [Text(line, style="bold red") for line in status["problems"]]


def node_name(status: Status, node_id: str) -> str:
    """Return what a node is called: its host's name and the beginning of its id."""
    name = next((node["name"] for node in status["nodes"] if node["id"] == node_id), "")
    return f"{name} {node_id[:SHORT_ID]}".strip()


def number(count: int | None) -> str:
    """Return it with commas."""
    return _UNKNOWN if count is None else f"{count:,}"


def seconds(duration: float | None) -> str:
    """Return it in seconds, or in milliseconds where it is short."""
    if duration is None:
        return _UNKNOWN
    return f"{duration * 1_000:.0f} ms" if duration < 1 else f"{duration:,.1f} s"


def percent(share: float | None) -> str:
    """Return a share of 1 as percent."""
    return _UNKNOWN if share is None else f"{share:.0%}"


def behind(actor: ActorStatus) -> str:
    """Return how many commits are not in the documents or not in the event stream yet, whichever is more."""
    known = [count for count in (actor["unapplied"], actor["unpublished"]) if count is not None]
    return number(max(known)) if known else _UNKNOWN
