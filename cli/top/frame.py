"""One picture of the market that fits a terminal of 80 columns."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.status import tables
from cli.status.document import ActorStatus, Status
from cli.top.rates import SHOWN

_NAME_COLUMNS = 24
_OTHER_LINES = 12


def frame(status: Status, rates: Mapping[str, Counter[str]], height: int) -> Group:
    """Return it, no higher than so many lines as far as actors go: with too many, the busiest are shown."""
    parts: list[RenderableType] = [_head(status, rates), _servers(status)]
    most = max(1, height - _OTHER_LINES - len(status["problems"]) - len(status["groups"] or ()))
    shown = _busiest(status["actors"], most)
    if shown:
        parts.append(_actors(status, shown, rates))
    if len(shown) < len(status["actors"]):
        parts.append(Text(f"and {len(status['actors']) - len(shown):,} actors that are less busy", style="dim"))
    return Group(*parts, *_groups(status), tables.money(status), *tables.problems(status))


def _head(status: Status, rates: Mapping[str, Counter[str]]) -> Text:
    total = sum(rates.values(), Counter[str]())
    counts = "  ".join(f"{name} {total[name]:,}/s" for name in SHOWN) if rates else "rates follow in a second"
    return Text.assemble(("holdfast ", "bold"), f"{status['at'][11:19]} UTC  ", counts, ("  q ends", "dim"))


def _servers(status: Status) -> Text:
    line = Text()
    for name, server in status["servers"].items():
        line.append(f"{name} ")
        line.append(server["state"], style="green" if server["state"] == "up" else "bold red")
        line.append("  ")
    answering = sum(replica["state"] == "answers" for replica in status["replicas"])
    line.append(f"replicas {answering} of {len(status['replicas'])}")
    line.append(f"  nodes {len(status['nodes'])}")
    return line


def _busiest(actors: Sequence[ActorStatus], most: int) -> Sequence[ActorStatus]:
    """All by name if there is room; otherwise who does not answer, then who is busiest."""
    if len(actors) <= most:
        return actors
    return sorted(actors, key=lambda one: (one["state"] == "answers", -(one["busyShare"] or 0.0)))[:most]


def _actors(status: Status, shown: Sequence[ActorStatus], rates: Mapping[str, Counter[str]]) -> Table:
    several = len(status["nodes"]) > 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("actor", no_wrap=True, max_width=_NAME_COLUMNS)
    if several:
        table.add_column("node", no_wrap=True)
    for name in ("mailbox", "oldest", "busy", "holds", "behind", "msgs/s", "commits/s"):
        table.add_column(name, justify="right", no_wrap=True)
    for actor in shown:
        title = Text(actor["name"], style="" if actor["state"] == "answers" else "bold red")
        place = [actor["node"][: tables.SHORT_ID]] if several else []
        done = rates.get(actor["name"])
        table.add_row(
            title,
            *place,
            tables.number(actor["mailboxDepth"]),
            tables.seconds(actor["oldestWaitSeconds"]),
            tables.percent(actor["busyShare"]),
            tables.number(actor["holds"]),
            tables.behind(actor),
            tables.number(done["messages"] if done is not None else None),
            tables.number(done["commits"] if done is not None else None),
        )
    return table


def _groups(status: Status) -> Iterable[Text]:
    for group in status["groups"] or ():
        behind, dead = tables.seconds(group["ageSeconds"]), group["deadLetters"]
        line = f"{group['group']}: {group['pending']:,} events pending, {behind} behind, {dead:,} dead letters"
        yield Text(line, style="bold red" if dead else "", no_wrap=True, overflow="ellipsis")
