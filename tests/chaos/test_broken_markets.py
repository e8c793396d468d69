"""The check at work on real answers: a market with a protection taken away is found out within seconds."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bson import ObjectId
from pydantic import SecretStr

from actors.domain import ticket_rules as rules
from actors.domain.decision import NO_CONTEXT
from actors.domain.instants import Instant
from actors.domain.ticket import Ticket
from actors.domain.ticket_commands import EditTicket, Reserve, TicketCommand
from actors.domain.ticket_events import OrderCreated, TicketEvent, TicketUpdated
from actors.runtime.entity import EntityDecision
from actors.tickets.entity import TicketEntity
from cli.history.linearizability import violations
from cli.history.operations import Kind
from config.settings import Settings
from tests.chaos.market_over_http import TICKETS, contended

pytestmark = pytest.mark.slow

# On a busy machine people ask little in the seconds of one.
LOADS = 3


class HoldsTwice(TicketEntity):
    """Whoever reserves a ticket gets it, also from somebody else's hands."""

    def decide(self, ticket: Ticket | None, command: TicketCommand, now: Instant) -> EntityDecision[Ticket]:
        if isinstance(command, Reserve) and ticket is not None and ticket.order is not None and ticket.order.is_open:
            ticket = replace(ticket, order=None)
        return super().decide(ticket, command, now)


class ChangesPricesUnderHolds(TicketEntity):
    """An edit is never refused."""

    def decide(self, ticket: Ticket | None, command: TicketCommand, now: Instant) -> EntityDecision[Ticket]:
        if isinstance(command, EditTicket) and ticket is not None and not ticket.withdrawn:
            return EntityDecision((TicketUpdated(command.details),), None, NO_CONTEXT)
        return super().decide(ticket, command, now)


class LosesEdits(TicketEntity):
    """An edit is acknowledged and not made."""

    def decide(self, ticket: Ticket | None, command: TicketCommand, now: Instant) -> EntityDecision[Ticket]:
        if isinstance(command, EditTicket):
            return EntityDecision((), None, NO_CONTEXT)
        return super().decide(ticket, command, now)


class ForgetsWhatPricesWereExpected(TicketEntity):
    """A buyer gets the ticket at the price of now, whatever they were willing to pay."""

    def decide(self, ticket: Ticket | None, command: TicketCommand, now: Instant) -> EntityDecision[Ticket]:
        if isinstance(command, Reserve):
            command = replace(command, expected_price=None)
        return super().decide(ticket, command, now)


class NeverLetsGo(TicketEntity):
    """Holds do not end by themselves."""

    def expire_if_due(self, _ticket: Ticket | None, _now: Instant) -> tuple[()]:
        return ()

    def timer(self, _ticket: Ticket) -> None:
        return None


class LetsGoTooEarly(TicketEntity):
    """Holds end when half of their time is over."""

    def expire_if_due(self, ticket: Ticket | None, now: Instant) -> tuple[TicketEvent, ...]:
        return rules.due(ticket, now + 500)


class ForgetsTheLine(TicketEntity):
    """What is released is for sale, whoever waits for it."""

    def decide(self, ticket: Ticket | None, command: TicketCommand, now: Instant) -> EntityDecision[Ticket]:
        decided = super().decide(ticket, command, now)
        return replace(decided, events=_without_offers(decided.events))

    def expire_if_due(self, ticket: Ticket | None, now: Instant) -> tuple[TicketEvent, ...]:
        return _without_offers(super().expire_if_due(ticket, now))


def _without_offers(events: Sequence[TicketEvent]) -> tuple[TicketEvent, ...]:
    return tuple(event for event in events if not (isinstance(event, OrderCreated) and event.order.offer))


@pytest.fixture
def own_settings(mongodb_url: str, redis_url: str) -> Settings:
    own = urlsplit(mongodb_url)._replace(path=f"/h{ObjectId()}").geturl()
    return Settings(
        holdfast_env="test",
        mongodb_url=own,
        redis_url=redis_url,
        jwt_key=SecretStr("a key that only tests know and trust"),
        max_holds_per_buyer=1000,
    )


async def test_history_of_a_market_with_all_its_protections_is_linearizable(
    own_settings: Settings, tmp_path: Path
) -> None:
    history = await contended(own_settings, TicketEntity, tmp_path / "history.jsonl")
    assert history.counts()[Kind.RESERVE] >= 50
    assert history.counts()[Kind.JOIN] >= 3
    assert violations(history) == []


BROKEN = (
    HoldsTwice,
    LosesEdits,
    ChangesPricesUnderHolds,
    ForgetsWhatPricesWereExpected,
    NeverLetsGo,
    LetsGoTooEarly,
    ForgetsTheLine,
)
# People do 90 things with a ticket: among few tickets that is done before a hold of a second could end by itself.
TICKETS_TO_WAIT_FOR: dict[type[TicketEntity], int] = {NeverLetsGo: 24}


# `make chaos` tries them all.
@pytest.mark.parametrize("behaviour", BROKEN if os.environ.get("EVERY_CONTROL") else BROKEN[:2])
async def test_a_market_without_one_of_them_is_found_out(
    own_settings: Settings, tmp_path: Path, behaviour: type[TicketEntity]
) -> None:
    for load in range(LOADS):
        tickets = TICKETS_TO_WAIT_FOR.get(behaviour, TICKETS)
        if violations(await contended(own_settings, behaviour, tmp_path / f"{load}.jsonl", tickets)):
            return
    raise AssertionError(f"nothing was found in {LOADS} loads")
