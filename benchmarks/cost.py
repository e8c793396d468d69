"""Where the time goes: what a market's processes, its actors and its database did between two moments."""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.bench import MeasuredMarket
from benchmarks.support import databases

_OPERATIONS = ("insert", "query", "update", "delete", "getmore")
_PROGRAMS = {
    "haproxy": "HAProxy",
    "secantusd-py": "database",
    **dict.fromkeys(databases.PROGRAMS, "database"),
    "redis-server": "Redis",
}
# Behind its answers the market writes documents: it is quiet when it takes less than this of a core.
_QUIET = 0.25
_LOOK_SECONDS = 0.5
_QUIET_WITHIN_SECONDS = 15.0
_OF_ALL = ("calls", "commits")
# What an actor is asked by a call of Ray, by the first word of its name.
_CALLED = {"tickets": "TicketActor", "ticket": "TicketActor", "orders": "OrderActor", "payments": "PaymentActor"}
_COUNTERS = ("calls", "messages", "turns", "commits", "events")


@dataclass(frozen=True, slots=True)
class Reading:
    """One moment: CPU seconds by process, what the actors counted, and the database's commands."""

    seconds: dict[tuple[int, str], float]
    counters: Counter[str] = field(default_factory=Counter)
    commands: int = 0


def role_of(command: list[str]) -> str:
    """What a process of the market is for: the actor's class, the replica, a server, or Ray."""
    words = " ".join(command).split()
    if not words:
        return "Ray"
    if words[0].startswith("ray::"):
        title = words[0].removeprefix("ray::").partition(".")[0].partition(":")[0]
        if title.startswith("ServeReplica"):
            return "Api replica"
        return title if title in {"TicketActor", "OrderActor", "PaymentActor", "Supervisor"} else "Ray"
    for word in words[:2]:
        if role := _PROGRAMS.get(Path(word).name):
            return role
    return (
        "holdfast up"
        if any(Path(word).name == "holdfast" or "cli.up.market_main" in word for word in words[:4])
        else "Ray"
    )


def processes(market: MeasuredMarket) -> list[tuple[psutil.Process, str]]:
    """The market's processes and their roles; its database's unless that runs elsewhere."""
    found = []
    own = [market.server.process] if market.server is not None and market.server.process is not None else []
    for process in (*market.running.process_tree(), *own):
        try:
            found.append((process, role_of(process.cmdline())))
        except psutil.Error:
            continue  # it has ended
    return found


def read_cpu(market: MeasuredMarket) -> Reading:
    """The CPU seconds alone, which costs the market nothing."""
    seconds = {}
    for process, role in processes(market):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        seconds[process.pid, role] = times.user + times.system
    return Reading(seconds)


def read(market: MeasuredMarket) -> Reading:
    """Everything. The actors are asked by a process of its own, which is gone while we measure."""
    heartbeats = market.running.status()
    tickets = [each["counters"] for each in heartbeats if each["name"].startswith(("tickets-", "ticket-"))]
    counters = Counter({name: sum(counted[name] for counted in tickets) for name in _COUNTERS})
    counters.update({f"all_{name}": sum(heartbeat["counters"][name] for heartbeat in heartbeats) for name in _OF_ALL})
    for heartbeat in heartbeats:
        if called := _CALLED.get(heartbeat["name"].partition("-")[0]):
            counters[f"calls to {called}"] += heartbeat["counters"]["calls"]
    with market.database() as database:
        # SecantusDB counts commands, as this is meant; mongod counts the documents of an insert.
        operations = database.client.admin.command("serverStatus")["opcounters"]
    cpu = read_cpu(market)
    return Reading(cpu.seconds, counters, sum(operations[name] for name in _OPERATIONS))


def cpu_between(before: Reading, after: Reading) -> dict[str, float]:
    """CPU seconds by role."""
    spent: defaultdict[str, float] = defaultdict(float)
    for (pid, role), seconds in after.seconds.items():
        spent[role] += seconds - before.seconds.get((pid, role), 0.0)
    return dict(spent)


def cost(before: Reading, after: Reading, successes: int, generator_seconds: float) -> dict[str, Any]:
    """What one success cost: milliseconds of CPU by role, Ray calls, commits and database commands.

    Calls and commits are those of all actors, without signs of life; batch sizes those of the ticket hosts.
    """
    each = max(successes, 1)
    spent = {**cpu_between(before, after), "load generator": generator_seconds}
    counted = {name: count - before.counters[name] for name, count in after.counters.items()}
    return {
        "cpu_ms": {role: seconds / each * 1_000 for role, seconds in sorted(spent.items())},
        "cpu_ms_total": sum(spent.values()) / each * 1_000,
        "ray_calls": counted["all_calls"] / each,
        **{name: count / each for name, count in sorted(counted.items()) if name.startswith("calls to ")},
        "commits": counted["all_commits"] / each,
        "database_commands": (after.commands - before.commands) / each,
        "messages_per_call": counted["messages"] / max(counted["calls"], 1),
        "messages_per_turn": counted["messages"] / max(counted["turns"], 1),
        "events_per_commit": counted["events"] / max(counted["commits"], 1),
    }


def wait_until_quiet(market: MeasuredMarket) -> None:
    """Wait, at most 15 seconds, until the market has done what it put off: whoever is measured next has the cores."""
    deadline = time.monotonic() + _QUIET_WITHIN_SECONDS
    while time.monotonic() < deadline:
        before = read_cpu(market)
        time.sleep(_LOOK_SECONDS)
        if sum(cpu_between(before, read_cpu(market)).values()) < _QUIET * _LOOK_SECONDS:
            return


def medians(costs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One line for the table: the medians of the rounds, CPU in milliseconds a success."""
    roles = sorted({role for each in costs for role in each["cpu_ms"]})
    line = {f"{role} ms": median(each["cpu_ms"].get(role, 0.0) for each in costs) for role in roles}
    counted = [name for name in costs[0] if name != "cpu_ms"] if costs else []
    return {**line, **{name: median(each[name] for each in costs) for name in counted}}
