"""The commands ``holdfast scale``, ``pin`` and ``unpin``."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from actors.cluster import names
from actors.domain.ids import is_id
from actors.domain.membership import Hosts
from actors.runtime.ports import HostUnreachableError, StoreUnavailableError
from cli.command_line import fail, load_settings, silence_logs
from cli.members import changes
from cli.members.changes import Market, NotChangedError, NotOverError, Plan
from cli.running_market import NotRunningError, attached, with_database
from config.settings import Settings

_MOST = 1_024
_NOT_OVER = 3

Wanted = Callable[[Market, Hosts], Awaitable[Hosts]]
Number = Annotated[int | None, typer.Option(min=1, max=_MOST, help="how many there are to be")]
Wait = Annotated[bool, typer.Option(help="return when everybody goes by it; 3 when that takes too long")]
AtOnce = Annotated[bool, typer.Option("--at-once", help="in one step: for a market that nobody uses at the moment")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would be done, and do nothing")]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]
Ticket = Annotated[str, typer.Argument(metavar="TICKET", help="the id of a ticket")]


@dataclass(frozen=True, slots=True)
class _Change:
    """What somebody wants, how the journal is to call it, and how it is to be done."""

    wanted: Wanted
    reason: str
    wait: bool
    at_once: bool
    dry_run: bool
    api_replicas: int | None = None


def scale(  # noqa: PLR0913 - options
    *,
    ticket_actors: Number = None,
    order_actors: Number = None,
    payment_actors: Number = None,
    api_replicas: Number = None,
    wait: Wait = True,
    at_once: AtOnce = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Have more or fewer actors and API replicas of a running market, without a failed request.

    Actors in steps of twice or half as many, seven seconds apart. Exits with 1 when somebody else changed them first,
    or one does not start within ninety seconds.
    """
    sizes = {names.TICKETS: ticket_actors, names.ORDERS: order_actors, names.PAYMENTS: payment_actors}
    given = {kind: size for kind, size in sizes.items() if size is not None}
    if not given and api_replicas is None:
        fail("say how many: --ticket-actors, --order-actors, --payment-actors or --api-replicas", exit_code=2)
    reason = "scale " + " ".join(f"--{kind.removesuffix('s')}-actors {size}" for kind, size in given.items())

    async def wanted(_market: Market, hosts: Hosts) -> Hosts:
        return changes.with_sizes(hosts, sizes)

    _carry_out(_Change(wanted, reason, wait, at_once, dry_run, api_replicas), as_json=as_json)


def pin(ticket: Ticket, *, wait: Wait = True, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Give a ticket that many want an actor of its own, so that others do not wait behind it."""
    _check_id(ticket)

    async def wanted(market: Market, hosts: Hosts) -> Hosts:
        return await changes.with_pin(market, hosts, ticket)

    _carry_out(_Change(wanted, f"pin {ticket}", wait, at_once=True, dry_run=dry_run), as_json=as_json)


def unpin(ticket: Ticket, *, wait: Wait = True, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Have a ticket live in a shared actor again."""
    _check_id(ticket)

    async def wanted(_market: Market, hosts: Hosts) -> Hosts:
        return changes.without_pin(hosts, ticket)

    _carry_out(_Change(wanted, f"unpin {ticket}", wait, at_once=True, dry_run=dry_run), as_json=as_json)


def _check_id(ticket: str) -> None:
    if not is_id(ticket):
        fail("TICKET is an id of 24 hexadecimal digits", exit_code=2)


def _carry_out(change: _Change, *, as_json: bool) -> None:
    silence_logs()
    settings = load_settings()
    if change.reason.startswith("pin") and settings.ticket_placement == "dedicated":
        fail("with TICKET_PLACEMENT=dedicated every ticket that is held has an actor of its own", exit_code=2)
    try:
        with attached(settings):
            settings = with_database(settings)
            replicas = None if change.api_replicas is None else _number_of_replicas()
            found, awaited = asyncio.run(_carried_out(settings, change))
            if change.api_replicas is not None:
                is_changed = change.api_replicas != replicas and not change.dry_run
                found |= {"changed": found["changed"] or is_changed, "apiReplicas": change.api_replicas}
                awaited = awaited or (_scale_replicas(change.api_replicas, wait=change.wait) if is_changed else "")
    except (NotRunningError, NotChangedError) as error:
        fail(f"not changed: {error}", exit_code=1)
    except StoreUnavailableError as error:
        fail(f"whether it was changed is not known, the database did not answer ({error}): repeat the command")
    typer.echo(json.dumps(found) if as_json else _line(found, is_done=not change.dry_run))
    if awaited:
        fail(awaited, exit_code=_NOT_OVER)


def _number_of_replicas() -> int:
    from serve_app import replicas  # noqa: PLC0415 - Ray reads its settings when it is imported

    try:
        return replicas.number(replicas.deployed())
    except (HostUnreachableError, replicas.FixedNumberError) as error:
        raise NotChangedError(str(error)) from error


def _scale_replicas(wanted: int, *, wait: bool) -> str:
    """Return who is still waited for, nothing when it is over."""
    from serve_app import replicas  # noqa: PLC0415 - Ray reads its settings when it is imported

    try:
        replicas.scale(wanted)
        if wait:
            replicas.wait_for(wanted, _tell)
    except HostUnreachableError as error:
        return f"all stays correct; still waiting for {error}"
    return ""


async def _carried_out(settings: Settings, change: _Change) -> tuple[dict[str, Any], str]:
    """Return what was done, and who is still waited for, nothing when it is over."""
    from actors.processes.on_ray import RaySystem  # noqa: PLC0415 - Ray reads its settings when it is imported

    directory = RaySystem().directory(settings)
    async with changes.market_of(settings) as market:
        before = (await market.members.refresh()).membership
        plan = await changes.plan(market, await change.wanted(market, before.hosts), at_once=change.at_once)
        _tell(_outlook(plan))
        version, awaited = before.version, ""
        is_changed = bool(plan.steps) and not change.dry_run
        if is_changed:
            made = await changes.carry_out(market, directory, plan, change.reason, _tell)
            version = made.version
            if change.wait:
                try:
                    await changes.wait(directory, made, _tell)
                except NotOverError as error:
                    awaited = str(error)
    return _as_json(plan, version, is_changed=is_changed), awaited


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _outlook(plan: Plan) -> str:
    if not plan.steps:
        return "no ticket moves"
    return (
        f"{plan.moving:.0%} of the tickets move, in {len(plan.steps)} step{'s' * (len(plan.steps) > 1)}; "
        f"the database loads them anew in {plan.loading_ms / 1_000:.1f} s of its time at most"
    )


def _as_json(plan: Plan, version: int, *, is_changed: bool) -> dict[str, Any]:
    hosts = plan.hosts
    return {
        "changed": is_changed,
        "version": version,
        "tickets": list(hosts.tickets),
        "orders": list(hosts.orders),
        "payments": list(hosts.payments),
        "pinned": list(hosts.pinned),
        "steps": len(plan.steps),
        "moving": plan.moving,
        "loadingSeconds": plan.loading_ms / 1_000,
    }


def _line(found: dict[str, Any], *, is_done: bool) -> str:
    kinds = (
        ("ticket actors", "tickets"),
        ("order actors", "orders"),
        ("payment actors", "payments"),
        ("pinned", "pinned"),
    )
    numbers = ", ".join(f"{what}: {len(found[kind])}" for what, kind in kinds)
    if "apiReplicas" in found:
        numbers += f", API replicas: {found['apiReplicas']}"
    if is_done:
        return f"version {found['version']} has {numbers}"
    return f"after version {found['version']} there would be {numbers}; nothing was changed"
