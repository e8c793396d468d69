"""What the transport and the actor directory promise, on Ray and in a simulation alike.

Each promise is a coroutine, so that the same one runs inside of a process of either.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from actors.cluster import names
from actors.cluster.heartbeat import ActorDirectory, Heartbeat
from actors.cluster.membership import all_names, of_settings
from actors.domain.refusals import NotFound
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CreateTicket, ReadTicket
from actors.runtime.ports import Clock, HostUnreachableError, Transport
from config.settings import Settings
from tests.support.examples import DETAILS, SELLER

HOST = "tickets-0"
UNKNOWN = "tickets-99"
PATIENCE = 20_000
RETURN_SECONDS = 30.0


class ClusterUnderTest(Protocol):
    """A market whose shared actors run. `transport` is one that was never used."""

    settings: Settings
    clock: Clock
    directory: ActorDirectory

    def transport(self) -> Transport:
        """A process's own way to the actors."""

    def new_id(self) -> str:
        """An id that nothing has."""

    def kill(self, heartbeat: Heartbeat) -> None:
        """Ends the process that gave this sign of life, as kill -9 does."""


async def _call(cluster: ClusterUnderTest, transport: Transport, host: str, messages: Sequence[Any]) -> Sequence[Any]:
    return await transport.call(host, messages, cluster.clock.now() + PATIENCE, redelivered=False)


async def _answers_again(ask: Callable[[], Awaitable[object]]) -> None:
    """Until then the host cannot be reached; every other error comes out."""
    async with asyncio.timeout(RETURN_SECONDS):
        while True:
            try:
                await ask()
            except HostUnreachableError:
                await asyncio.sleep(0.05)
            else:
                return


async def each_message_has_one_reply_in_order(cluster: ClusterUnderTest) -> None:
    transport = cluster.transport()
    listings = [CreateTicket(cluster.new_id(), SELLER, DETAILS) for _ in range(20)]
    reads = [ReadTicket(one.ticket_id) for one in reversed(listings)]
    replies = await _call(cluster, transport, HOST, [*listings, ReadTicket(cluster.new_id()), *reads])
    tickets = [reply.ticket.id for reply in replies if isinstance(reply, TicketAnswer)]
    listed = [one.ticket_id for one in listings]
    assert tickets == [*listed, *reversed(listed)]
    assert replies[20] == NotFound()


async def calls_side_by_side_find_their_callers(cluster: ClusterUnderTest) -> None:
    transport = cluster.transport()
    listings = [CreateTicket(cluster.new_id(), SELLER, DETAILS) for _ in range(20)]
    replies = await asyncio.gather(*(_call(cluster, transport, HOST, [one]) for one in listings))
    assert [reply.ticket.id for (reply,) in replies] == [one.ticket_id for one in listings]


async def an_unknown_shared_name_cannot_be_reached(cluster: ClusterUnderTest) -> None:
    transport = cluster.transport()
    for ask in (
        lambda: _call(cluster, transport, UNKNOWN, [ReadTicket("0" * 24)]),
        lambda: cluster.directory.ping(UNKNOWN),
    ):
        try:
            await ask()
        except HostUnreachableError:
            continue
        raise AssertionError("somebody answered")


async def a_heartbeat_says_who_answers_and_is_the_same_while_it_lives(cluster: ClusterUnderTest) -> None:
    first, again = await cluster.directory.ping(HOST), await cluster.directory.ping(HOST)
    assert (first.name, first.idle) == (HOST, False)
    assert first.writer.startswith(f"{HOST}-")
    assert (again.writer, again.pid, again.node_id) == (first.writer, first.pid, first.node_id)
    others = [await cluster.directory.ping(name) for name in all_names(of_settings(cluster.settings))]
    assert (
        len({heartbeat.writer for heartbeat in others}) == len({heartbeat.pid for heartbeat in others}) == len(others)
    )


async def after_its_process_was_killed_an_actor_cannot_be_reached_until_another_writer_answers(
    cluster: ClusterUnderTest,
) -> None:
    transport = cluster.transport()
    listing = CreateTicket(cluster.new_id(), SELLER, DETAILS)
    await _call(cluster, transport, HOST, [listing])
    before = await cluster.directory.ping(HOST)
    cluster.kill(before)
    try:
        await _call(cluster, transport, HOST, [ReadTicket(listing.ticket_id)])
    except HostUnreachableError:
        pass
    else:
        raise AssertionError("a dead process answered")
    await _answers_again(lambda: _call(cluster, transport, HOST, [ReadTicket(listing.ticket_id)]))
    after = await cluster.directory.ping(HOST)
    assert (after.writer, after.pid) != (before.writer, before.pid)
    assert after.writer != before.writer
    (found,) = await _call(cluster, transport, HOST, [ReadTicket(listing.ticket_id)])
    assert found.ticket.id == listing.ticket_id


async def a_caller_that_waits_when_an_actor_dies_hears_that_it_cannot_be_reached(cluster: ClusterUnderTest) -> None:
    transport = cluster.transport()
    await _answers_again(lambda: _call(cluster, transport, HOST, [ReadTicket("0" * 24)]))
    before = await cluster.directory.ping(HOST)
    # Many calls on the way, and those that are answered before the end have their replies.
    calls = [
        asyncio.ensure_future(_call(cluster, transport, HOST, [CreateTicket(cluster.new_id(), SELLER, DETAILS)]))
        for _ in range(50)
    ]
    await asyncio.sleep(0)
    cluster.kill(before)
    outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), RETURN_SECONDS)
    assert {type(outcome) for outcome in outcomes} <= {list, HostUnreachableError}
    assert any(isinstance(outcome, HostUnreachableError) for outcome in outcomes)


async def a_replaced_actor_is_another_writer(cluster: ClusterUnderTest) -> None:
    await _answers_again(lambda: cluster.directory.ping(HOST))
    before = await cluster.directory.ping(HOST)
    await cluster.directory.replace(HOST, before)
    await asyncio.sleep(0.5)
    await _answers_again(lambda: cluster.directory.ping(HOST))
    assert (await cluster.directory.ping(HOST)).writer != before.writer


async def nobody_is_replaced_under_an_unknown_name(cluster: ClusterUnderTest) -> None:
    await cluster.directory.replace(UNKNOWN, None)
    await cluster.directory.passivate(UNKNOWN)


async def a_tickets_own_actor_is_there_only_when_it_was_started(cluster: ClusterUnderTest) -> None:
    transport, listing = cluster.transport(), CreateTicket(cluster.new_id(), SELLER, DETAILS)
    own = names.dedicated(listing.ticket_id)
    try:
        await _call(cluster, transport, own, [listing])
    except HostUnreachableError:
        pass
    else:
        raise AssertionError("asking started an actor")
    assert own not in await cluster.directory.existing()
    for _ in range(2):
        await cluster.directory.start(own)
    (reply,) = await _call(cluster, transport, own, [listing])
    assert reply.ticket.id == listing.ticket_id
    assert own in await cluster.directory.existing()
    heartbeat = await cluster.directory.ping(own)
    # Somebody has just spoken to it, so it stays.
    await cluster.directory.passivate(own)
    assert (await cluster.directory.ping(own)).writer == heartbeat.writer


PROMISES = (
    each_message_has_one_reply_in_order,
    calls_side_by_side_find_their_callers,
    an_unknown_shared_name_cannot_be_reached,
    a_heartbeat_says_who_answers_and_is_the_same_while_it_lives,
    after_its_process_was_killed_an_actor_cannot_be_reached_until_another_writer_answers,
    a_caller_that_waits_when_an_actor_dies_hears_that_it_cannot_be_reached,
    a_replaced_actor_is_another_writer,
    nobody_is_replaced_under_an_unknown_name,
    a_tickets_own_actor_is_there_only_when_it_was_started,
)
