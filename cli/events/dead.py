"""The commands of ``holdfast events dead``."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Annotated, Any, TypeVar

import orjson
import typer
from redis.asyncio import Redis

from cli.command_line import fail, load_settings
from cli.events.groups import NoSuchGroupError, checked_group
from cli.market_redis import RedisUnusableError, open_redis
from cli.running_market import NotRunningError
from holdfast.events import dead_letters
from holdfast.events.dead_letters import DeadLetter

app = typer.Typer(
    no_args_is_help=True, help="Events that a group gave up: list them, show one, deliver them again, drop them."
)

Group = Annotated[str, typer.Option("--group", metavar="G", help="the group that could not handle them")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="as `list` shows them")]
All = Annotated[bool, typer.Option("--all", help="all that the group has now")]
T = TypeVar("T")
Change = Callable[[Redis, str, str], Awaitable[None]]


@app.command(name="list")
def list_all(
    group: Group, *, as_json: Annotated[bool, typer.Option("--json", help="one in each line")] = False
) -> None:
    """Show a group's dead letters, the oldest first: id, event, name, deliveries, reason and type of the last error."""

    async def listed() -> int:
        count = 0
        async with open_redis(load_settings()) as redis:
            async for letter in _letters(redis, await checked_group(redis, group)):
                typer.echo(orjson.dumps(_as_json(letter)) if as_json else _line_of(letter))
                count += 1
        return count

    if not _run(listed) and not as_json:
        typer.echo(f"group {group} has no dead letters")


@app.command()
def show(group: Group, letter_id: Annotated[str, typer.Argument(metavar="ID", help="as `list` shows it")]) -> None:
    """Show one of them whole, as JSON."""

    async def shown() -> DeadLetter:
        async with open_redis(load_settings()) as redis:
            return await dead_letters.show(redis, await checked_group(redis, group), letter_id)

    typer.echo(orjson.dumps(_as_json(_run(shown)), option=orjson.OPT_INDENT_2))


@app.command()
def replay(group: Group, ids: Ids = None, *, every: All = False) -> None:
    """Deliver them to the group again, and to no other group."""
    _change(group, ids or [], dead_letters.replay, "to be delivered again", every=every)


@app.command()
def drop(group: Group, ids: Ids = None, *, every: All = False) -> None:
    """Remove them for good."""
    _change(group, ids or [], dead_letters.drop, "dropped", every=every)


def _change(group: str, ids: list[str], change: Change, done: str, *, every: bool) -> None:
    if bool(ids) == every:
        fail("name the ids of dead letters, or --all", exit_code=2)

    async def changed() -> tuple[int, list[str]]:
        missing = []
        async with open_redis(load_settings()) as redis:
            await checked_group(redis, group)
            # All of now: what is given up again meanwhile would otherwise be delivered for ever.
            wanted = [letter.id async for letter in _letters(redis, group)] if every else list(dict.fromkeys(ids))
            for letter_id in wanted:
                try:
                    await change(redis, group, letter_id)
                except LookupError as error:
                    missing.append(str(error))
        return len(wanted) - len(missing), missing

    count, missing = _run(changed)
    typer.echo(f"{count:,} {done}")
    if missing and not every:
        fail("\n".join(missing))


async def _letters(redis: Redis, group: str) -> AsyncIterator[DeadLetter]:
    after = "-"
    while page := await dead_letters.list_dead_letters(redis, group, after=after):
        for letter in page:
            yield letter
        after = page[-1].id


def _line_of(letter: DeadLetter) -> str:
    deliveries = f"{letter.deliveries} {'delivery' if letter.deliveries == 1 else 'deliveries'}"
    why = f"{letter.reason} ({letter.error})" if letter.error else letter.reason
    return f"{letter.id}  {letter.event.id}  {letter.event.subject}  {deliveries}  {why}"


def _as_json(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "reason": letter.reason,
        "deliveries": letter.deliveries,
        "error": letter.error or None,
        "event": letter.event.structured(),
    }


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    try:
        return asyncio.run(work())
    except (NotRunningError, RedisUnusableError, NoSuchGroupError, LookupError) as error:
        fail(str(error))
