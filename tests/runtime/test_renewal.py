"""Actors are renewed one by one, who understands messages before who sends them, and answer what they have first."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from actors.cluster.serialization import pack, unpack
from actors.domain.refusals import NotFound
from actors.domain.ticket_commands import ReadTicket
from actors.processes.base import HostActor
from actors.runtime.ports import HostUnreachableError
from actors.supervision import renewal
from config.settings import Settings
from tests.support.eventually import eventually
from tests.support.examples import TICKET


class Actors:
    """Satisfies Renewable; `told` is what was asked of it."""

    def __init__(self, *existing: str) -> None:
        self.told: list[str] = []
        self.ends_for_good = False
        self._existing = list(existing)

    async def existing(self) -> list[str]:
        return list(self._existing)

    async def drain(self, name: str) -> bool:
        self.told.append(f"drain {name}")
        return True

    async def end(self, name: str) -> None:
        self.told.append(f"end {name}")
        if self.ends_for_good:
            self._existing.remove(name)

    async def begin(self, name: str) -> None:
        self.told.append(f"begin {name}")


async def test_each_actor_is_drained_ended_and_begun_before_the_next() -> None:
    lines: list[str] = []
    actors = Actors("orders-0", "tickets-0", "payments-0", "supervisor")
    await renewal.renew(actors, ["tickets-0", "orders-0", "payments-0", "supervisor"], lines.append)
    order = ["tickets-0", "payments-0", "orders-0", "supervisor"]
    assert actors.told == [f"{step} {name}" for name in order for step in ("drain", "end", "begin")]
    assert lines == [f"{name} renewed" for name in order]


async def test_actors_that_are_not_wanted_any_more_end_and_new_ones_begin() -> None:
    actors, own = Actors("tickets-0", "tickets-1", "ticket-abc"), "ticket-abc"
    await renewal.renew(actors, ["tickets-0", "supervisor"], lambda _: None)
    begun = [line for line in actors.told if line.startswith("begin")]
    assert begun == ["begin tickets-0", "begin supervisor"]
    # The Supervisor before would create it again.
    ended = [actors.told.index(step) for step in (f"end {own}", "begin supervisor", "end tickets-1")]
    assert ended == sorted(ended)


async def test_when_all_actors_end_the_supervisor_is_the_first_as_it_would_create_the_others_again() -> None:
    lines: list[str] = []
    actors = Actors("orders-0", "tickets-0", "ticket-abc", "payments-0", "supervisor")
    actors.ends_for_good = True
    await renewal.end_all(actors, lines.append)
    order = ["supervisor", "ticket-abc", "tickets-0", "payments-0", "orders-0"]
    assert lines == [f"{name} ended" for name in order]
    assert actors.told == [f"{step} {name}" for name in order for step in ("drain", "end")]
    assert await actors.existing() == []


class Slow(HostActor):
    """Answers when it may."""

    def __init__(self) -> None:
        super().__init__("tickets-0", NoSystem())  # type: ignore[arg-type]
        self.may_answer = asyncio.Event()

    async def handle(self, messages: Sequence[Any], _deadline: int, *, redelivered: bool) -> list[Any]:  # noqa: ARG002
        await self.may_answer.wait()
        return [NotFound() for _ in messages]

    async def _start(self) -> None:
        """Without servers."""


class NoSystem:
    def settings(self) -> Settings:
        return Settings()

    def new_id(self) -> str:
        return "1"


async def test_an_actor_that_drains_answers_what_it_has_and_takes_nothing_more() -> None:
    actor = Slow()
    before = asyncio.create_task(actor.deliver_packed(pack([ReadTicket(TICKET)]), 0))
    await eventually(lambda: actor._delivering == 1)
    drained = asyncio.create_task(actor.drain())
    await eventually(lambda: actor._draining)
    with pytest.raises(HostUnreachableError):
        await actor.deliver_packed(pack([ReadTicket(TICKET)]), 0)
    assert not drained.done()
    actor.may_answer.set()
    await drained
    assert unpack(await before) == [NotFound()]


async def test_an_actor_that_nobody_ends_after_it_drained_takes_messages_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.processes.base.DRAIN_SECONDS", 0.0)
    monkeypatch.setattr("actors.processes.base.END_SECONDS", 0.0)
    actor = Slow()
    actor.may_answer.set()
    await actor.drain()
    await eventually(lambda: not actor._draining)
    assert unpack(await actor.deliver_packed(pack([ReadTicket(TICKET)]), 0)) == [NotFound()]
