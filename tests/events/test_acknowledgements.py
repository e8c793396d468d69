"""What is acknowledged at the same moment goes to Redis together, and each acknowledgement has its own answer."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from holdfast.events.acknowledgements import Acknowledgements
from holdfast.events.patience import Patience

GROUP = "group"


async def pending_entries(bus: Redis, count: int) -> list[str]:
    """Entries of a stream that were handed to a member of the group."""
    await bus.xgroup_create("stream", GROUP, "0", mkstream=True)
    ids: list[Any] = [await bus.xadd("stream", {"n": number}) for number in range(count)]
    await bus.xreadgroup(GROUP, "member", {"stream": ">"})
    return [entry_id.decode() for entry_id in ids]


def arguments(entry_id: str) -> tuple[str, ...]:
    return (GROUP, "", "member", "0", entry_id)


async def test_acknowledgements_of_one_moment_are_one_round_trip(bus: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await pending_entries(bus, 20)
    made: list[Any] = []
    rightly = bus.pipeline

    def pipeline(**options: Any) -> Any:  # noqa: ANN401 - as redis-py's
        made.append(rightly(**options))
        return made[-1]

    monkeypatch.setattr(bus, "pipeline", pipeline)
    acknowledgements = Acknowledgements(bus, Patience("Redis"))
    sent = (acknowledgements.send(("stream", "lease"), arguments(entry_id)) for entry_id in ids)
    assert await asyncio.gather(*sent) == [1] * 20
    assert len(made) == 1
    assert (await bus.xpending("stream", GROUP))["pending"] == 0
    assert await acknowledgements.send(("stream", "lease"), arguments(ids[0])) == 1
    assert len(made) == 2


async def test_acknowledgement_of_a_lost_lease_is_told_so_and_the_others_are_done(bus: Redis) -> None:
    ids = await pending_entries(bus, 2)
    acknowledgements = Acknowledgements(bus, Patience("Redis"))
    lost = acknowledgements.send(("stream", "lease"), (GROUP, "a lease", "member", "0", ids[0]))
    done = acknowledgements.send(("stream", "lease"), arguments(ids[1]))
    assert list(await asyncio.gather(lost, done)) == [-1, 1]
    assert (await bus.xpending("stream", GROUP))["pending"] == 1


async def test_nothing_is_sent_any_more_when_nobody_waits() -> None:
    async with Redis.from_url("redis://127.0.0.1:1/0") as away:
        acknowledgements = Acknowledgements(away, Patience("Redis"))
        waiting = [asyncio.create_task(acknowledgements.send(("s", "l"), arguments("1-0"))) for _ in range(2)]
        await asyncio.sleep(0)
        batch = acknowledgements._batch
        assert batch is not None
        assert batch.sending is not None
        await asyncio.sleep(0.01)
        for each in waiting:
            each.cancel()
        await asyncio.wait([*waiting, batch.sending], timeout=5.0)
        assert batch.sending.cancelled()
        assert all(each.cancelled() for each in waiting)


async def test_acknowledgement_that_is_cancelled_at_once_takes_no_other_with_it(bus: Redis) -> None:
    (entry_id,) = await pending_entries(bus, 1)
    acknowledgements = Acknowledgements(bus, Patience("Redis"))
    cancelled = asyncio.create_task(acknowledgements.send(("stream", "lease"), arguments(entry_id)))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    async with asyncio.timeout(5.0):
        assert await acknowledgements.send(("stream", "lease"), arguments(entry_id)) == 1
