"""Subjects as in NATS, and names that are refused."""

import pytest
from redis.asyncio import Redis

from holdfast.events import connect
from holdfast.events.subjects import Subjects


@pytest.mark.parametrize(
    ("pattern", "subject", "is_match"),
    [
        ("order.created", "order.created", True),
        ("order.created", "order.completed", False),
        ("order.*", "order.completed", True),
        ("order.*", "waiting_list.joined", False),
        ("*.created", "ticket.created", True),
        ("*", "ticket.created", False),
        (">", "ticket.created", True),
        ("order.>", "order.created.v2", True),
        ("order.*", "order.created.v2", False),
        ("order.>", "order", False),
    ],
)
def test_subject_matches_as_in_nats(pattern: str, subject: str, is_match: bool) -> None:  # noqa: FBT001
    assert Subjects(pattern).matches(subject) is is_match
    assert Subjects(["user.created", pattern]).matches(subject) is is_match


@pytest.mark.parametrize(
    "pattern", ["", "order.", ".created", "order..x", "order.>.x", "or*er.x", "order created", "o>"]
)
def test_malformed_subject_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="a subject is tokens"):
        Subjects(pattern)


def test_no_subject_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Subjects([])


@pytest.mark.parametrize("name", ["", "a b", "ä", "a:b", "a.b", "x" * 65, "a\n"])
async def test_malformed_durable_and_client_id_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a client id is 1 to 64"):
        connect("redis://localhost", client_id=name)
    async with connect("redis://localhost", client_id="one") as client:
        with pytest.raises(ValueError, match="a durable is 1 to 64"):
            client.subscribe(">", durable=name)


async def test_arguments_that_contradict_each_other_are_refused() -> None:
    async with connect("redis://localhost", client_id="one") as client:
        with pytest.raises(ValueError, match="is d, not e"):
            client.subscribe(">", durable="d", queue_group="e")
        with pytest.raises(ValueError, match="above 0"):
            client.subscribe(">", durable="d", max_in_flight=0)
    with pytest.raises(ValueError, match="either"):
        connect(client_id="one")
    async with Redis(decode_responses=True) as redis:
        with pytest.raises(ValueError, match="decode_responses"):
            connect(redis=redis, client_id="one")
