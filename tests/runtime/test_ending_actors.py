"""Renewing ends one actor, whoever takes its name at once, and does not wait for ever for one that stays."""

import pytest

from actors.processes import handles, ray_renewable
from actors.processes.on_ray import RaySystem
from actors.processes.ray_renewable import RayRenewable
from actors.runtime.ports import HostUnreachableError
from config.settings import Settings


class FakeRay:
    """Ray's control service with one name. `successor` takes it as soon as an actor has gone."""

    def __init__(self, *, dies: bool = True, successor: str | None = None) -> None:
        self.actor: str | None = "first"
        self.killed: list[str] = []
        self._dies = dies
        self._successor = successor

    def get_actor(self, _name: str, _namespace: str) -> str:
        if self.actor is None:
            raise ValueError("no actor has this name")
        return self.actor

    def kill(self, actor: str) -> None:
        self.killed.append(actor)
        if self._dies:
            self.actor = self._successor


class Loads(RayRenewable):
    """What takes an actor's place can be loaded, or cannot."""

    can_load = True

    async def _load(self, name: str) -> None:
        if not self.can_load:
            raise HostUnreachableError(name)


def renewable(monkeypatch: pytest.MonkeyPatch, fake: FakeRay) -> Loads:
    for module in (handles, ray_renewable):
        monkeypatch.setattr(module, "ray", fake)
    return Loads(Settings(), RaySystem())


async def drained(monkeypatch: pytest.MonkeyPatch, fake: FakeRay) -> Loads:
    actors = renewable(monkeypatch, fake)
    assert await actors.drain("ticket-a") == (fake.actor is not None)
    return actors


async def test_an_actor_whose_name_is_free_afterwards_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay()
    await (await drained(monkeypatch, fake)).end("ticket-a")
    assert fake.killed == ["first"]


async def test_an_actor_that_has_a_successor_at_once_has_ended_and_the_successor_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = FakeRay(successor="second")
    await (await drained(monkeypatch, fake)).end("ticket-a")
    assert (fake.killed, fake.actor) == (["first"], "second")


async def test_ending_an_actor_that_does_not_exist_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay()
    fake.actor = None
    await (await drained(monkeypatch, fake)).end("ticket-a")
    assert fake.killed == []


async def test_an_actor_that_does_not_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_renewable, "RENEWAL_SECONDS", 0.1)
    actors = await drained(monkeypatch, FakeRay(dies=False))
    with pytest.raises(HostUnreachableError, match="ticket-a did not end"):
        await actors.end("ticket-a")


async def test_an_actor_that_somebody_else_renewed_since_it_drained_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay()
    actors = await drained(monkeypatch, fake)
    fake.actor = "somebody else's"
    await actors.end("ticket-a")
    assert fake.killed == []


async def test_an_actor_does_not_drain_when_none_could_take_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    actors = renewable(monkeypatch, FakeRay())
    actors.can_load = False
    asked: list[str] = []
    monkeypatch.setattr("actors.processes.handles.Handles.call", lambda _self, name, *_: asked.append(name))
    with pytest.raises(HostUnreachableError):
        await actors.drain("ticket-a")
    assert asked == []
