"""Renewing ends one actor, whoever takes its name at once, and does not wait for ever for one that stays."""

import pytest

from actors.processes import on_ray
from actors.processes.on_ray import RayRenewable
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


def renewable(monkeypatch: pytest.MonkeyPatch, fake: FakeRay) -> RayRenewable:
    monkeypatch.setattr(on_ray, "ray", fake)
    return RayRenewable(Settings())


async def test_an_actor_whose_name_is_free_afterwards_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay()
    await renewable(monkeypatch, fake).end("ticket-a")
    assert fake.killed == ["first"]


async def test_an_actor_that_has_a_successor_at_once_has_ended_and_the_successor_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = FakeRay(successor="second")
    await renewable(monkeypatch, fake).end("ticket-a")
    assert (fake.killed, fake.actor) == (["first"], "second")


async def test_ending_an_actor_that_does_not_exist_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay()
    fake.actor = None
    await renewable(monkeypatch, fake).end("ticket-a")
    assert fake.killed == []


async def test_an_actor_that_does_not_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "RENEWAL_SECONDS", 0.1)
    with pytest.raises(HostUnreachableError, match="ticket-a did not end"):
        await renewable(monkeypatch, FakeRay(dies=False)).end("ticket-a")
