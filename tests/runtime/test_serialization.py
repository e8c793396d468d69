"""Messages survive the way to another process, which may be of another release."""

import pickle
import sys
from dataclasses import field, fields, is_dataclass, make_dataclass, replace
from enum import StrEnum
from typing import Any, get_args, get_type_hints

import pytest
from bson import Int64
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.cluster import serialization
from actors.cluster.heartbeat import Heartbeat
from actors.cluster.serialization import NotUnderstood, pack, unpack
from actors.domain.answers import ChargeAnswer, Moved, PaymentAnswer
from actors.domain.charge_commands import PaymentCommand
from actors.domain.codec import encode
from actors.domain.purchase_commands import PurchaseCommand
from actors.domain.refusals import AlreadyReserved, PriceChanged, Refusal
from actors.domain.ticket import TicketAnswer
from actors.domain.ticket_commands import CreateTicket, ReadTicket, Reserve, TicketCommand
from actors.domain.ticket_values import CancelReason, Order, TicketDetails
from actors.runtime.host import Counters
from actors.runtime.signals import Signals
from actors.runtime.trace import Traced, new_traceparent
from tests.support.examples import DETAILS, TICKET, creation, reservation, ticket_after

HOLD = reservation(expected_price=4_250, max_holds=10)
FEW = settings(max_examples=20, deadline=None)


def parts_of(*hints: Any) -> set[type[Any]]:  # noqa: ANN401 - type hints
    """The dataclasses of these hints and of all their fields."""
    found: set[type[Any]] = set()
    waiting = list(hints)
    while waiting:
        hint = waiting.pop()
        if isinstance(hint, type) and is_dataclass(hint) and hint not in found:
            found.add(hint)
            waiting += get_type_hints(hint).values()
            # Classes with slots are made twice; what other tests derive is not of the product.
            own = list(vars(sys.modules[hint.__module__]).values())
            waiting += [cls for cls in hint.__subclasses__() if cls in own]
        waiting += get_args(hint)
    return found


# Everything that crosses a process: what can be asked, and what is answered.
MESSAGES = sorted(
    parts_of(TicketCommand, PurchaseCommand, PaymentCommand, TicketAnswer, PaymentAnswer, ChargeAnswer, Moved, Refusal),
    key=lambda each: each.__name__,
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: each.__name__)
@FEW
@given(data=st.data())
def test_a_message_of_every_type_arrives_as_it_was_sent(message: type[Any], data: st.DataObject) -> None:
    sent = [data.draw(st.from_type(message)), data.draw(st.from_type(message))]
    arrived = unpack(pack(sent))
    assert arrived == sent
    assert [type(each) for each in arrived] == [message, message]


def test_each_message_arrives_with_the_trace_context_that_it_was_sent_with() -> None:
    sent = [Traced(HOLD, new_traceparent()), ReadTicket(TICKET), Traced(ReadTicket(TICKET), new_traceparent())]
    assert unpack(pack(sent)) == sent


def test_trace_context_of_a_message_that_is_not_understood_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack([Traced(HOLD, new_traceparent()), Traced(ReadTicket(TICKET), new_traceparent())])
    monkeypatch.delitem(serialization._SCHEMAS, "Reserve")
    strange, traced = unpack(packed)
    assert strange == NotUnderstood("Reserve")
    assert isinstance(traced, Traced)


def test_a_number_that_was_read_from_the_database_arrives_as_a_number() -> None:
    (arrived,) = unpack(pack([PriceChanged(Int64(4_000))]))
    assert arrived == PriceChanged(4_000)
    assert type(arrived.price) is int


def test_a_heartbeat_arrives_as_it_was_sent() -> None:
    signals = Signals(mailbox_depth=2, events={"OrderCreated": 1}, turn=(1, 2, 3))
    refusals = {"AlreadyReserved": 4}
    counters = Counters(messages=3)
    heartbeat = Heartbeat(
        "tickets-0", "tickets-0-1", 7, "node", counters, idle=True, signals=signals, refusals=refusals
    )
    assert unpack(pack([heartbeat])) == [heartbeat]


def test_other_picklers_serialize_messages_in_their_own_way() -> None:
    sent = [HOLD, Heartbeat("x", "y", 1, "z", Counters())]
    assert pickle.loads(pickle.dumps(sent)) == sent  # noqa: S301 - our own


# A class as another release has it: same name, other fields.


def of_another_release(base: type[Any], *added: tuple[str, Any, Any], without: str = "", first: bool = False) -> Any:  # noqa: ANN401
    """The class as a release has it that added fields, at the end or `first`, or has one less."""
    own = [(each.name, each.type, field(default=None)) for each in fields(base) if each.name != without]
    cls = make_dataclass(
        serialization._name_of(base), [*added, *own] if first else [*own, *added], frozen=True, slots=True
    )
    serialization._TELLERS[cls] = serialization._values_of(serialization._Schema(cls))
    return cls


def values_of(message: object) -> dict[str, Any]:
    return {each.name: getattr(message, each.name) for each in fields(message)}  # type: ignore[arg-type]


@pytest.mark.parametrize("first", [True, False], ids=["before the others", "at the end"])
def test_a_field_that_a_newer_release_added_and_left_empty_is_passed_over(first: bool) -> None:  # noqa: FBT001
    newer = of_another_release(Reserve, ("not_above", int | None, field(default=None)), first=first)
    assert unpack(pack([newer(**values_of(HOLD))])) == [HOLD]


def test_a_command_with_an_unknown_field_is_not_understood_but_the_others_of_its_batch_are() -> None:
    newer = of_another_release(Reserve, ("not_above", int | None, field(default=None)))
    strange, read = newer(**values_of(HOLD), not_above=4_000), ReadTicket(TICKET)
    arrived = unpack(pack([read, strange, read]))
    assert [type(each) for each in arrived] == [ReadTicket, NotUnderstood, ReadTicket]


def test_a_field_that_an_older_release_does_not_send_takes_its_default() -> None:
    older = of_another_release(Reserve, without="request")
    sent = {name: value for name, value in values_of(HOLD).items() if name != "request"}
    assert unpack(pack([older(**sent)])) == [HOLD]


def test_only_the_message_without_a_required_field_is_not_understood() -> None:
    older = of_another_release(Reserve, without="buyer_id")
    sent = {name: value for name, value in values_of(HOLD).items() if name != "buyer_id"}
    assert [type(each) for each in unpack(pack([older(**sent), HOLD]))] == [NotUnderstood, Reserve]


def test_only_the_unknown_message_of_a_batch_is_not_understood() -> None:
    gift = of_another_release(make_dataclass("GiftTicket", ["ticket_id"]))
    assert [type(each) for each in unpack(pack([HOLD, gift(TICKET)]))] == [Reserve, NotUnderstood]


def test_an_answer_of_a_newer_release_is_understood_without_what_it_added() -> None:
    newer = of_another_release(PriceChanged, ("why", str, field(default="")))
    assert unpack(pack([newer(4_000, "sale"), AlreadyReserved()])) == [PriceChanged(4_000), AlreadyReserved()]


def test_a_state_keeps_what_a_newer_release_added_on_its_way() -> None:
    newer = of_another_release(TicketDetails, ("gate", str | None, field(default=None)))
    sent = CreateTicket(TICKET, "b" * 24, newer(**values_of(DETAILS), gate="12A"))
    ((arrived),) = unpack(pack([sent]))
    assert encode(arrived)["details"] == {**encode(DETAILS), "gate": "12A"}
    (again,) = unpack(pack([replace(arrived, request="x")]))
    assert encode(again)["details"] == {**encode(DETAILS), "gate": "12A"}


class SettlementStatus(StrEnum):
    OPEN = "open"


def test_an_unknown_status_makes_its_message_not_understood() -> None:
    order = ticket_after(creation(), reservation()).order
    assert isinstance(order, Order)
    insured = replace(order, status=SettlementStatus.OPEN)  # type: ignore[arg-type]
    serialization._TELLERS[SettlementStatus] = lambda one: (serialization._member, ("OrderStatus", one.value))
    answer = TicketAnswer(ticket_after(creation()), insured)
    assert [type(each) for each in unpack(pack([answer, HOLD]))] == [NotUnderstood, Reserve]


def test_a_reason_that_a_newer_release_added_arrives_as_it_was_sent() -> None:
    order = ticket_after(creation(), reservation()).order
    assert isinstance(order, Order)
    (arrived,) = unpack(pack([replace(order, cancel_reason=CancelReason("flooded"))]))
    assert arrived.cancel_reason == "flooded"


def test_each_message_of_a_batch_in_another_serialization_version_is_not_understood() -> None:
    packed = bytes([serialization.VERSION + 1]) + pack([HOLD, HOLD])[1:4] + bytes([2]) + b"whatever comes"
    assert [type(each) for each in unpack(packed)] == [NotUnderstood, NotUnderstood]


def test_unpacking_makes_nothing_but_messages() -> None:
    packed = pack([HOLD]).replace(b"_maker", b"system")
    assert [type(each) for each in unpack(packed)] == [NotUnderstood]
