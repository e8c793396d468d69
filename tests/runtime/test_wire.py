"""Messages survive the way to another process."""

from dataclasses import is_dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain import messages, ticket
from actors.wire import pack, unpack

FEW = settings(max_examples=20, deadline=None)
# Everything that crosses a process.
MESSAGES = [
    each for each in (*vars(messages).values(), *vars(ticket).values()) if isinstance(each, type) and is_dataclass(each)
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: each.__name__)
@FEW
@given(data=st.data())
def test_a_message_of_every_type_arrives_as_it_was_sent(message: type[Any], data: st.DataObject) -> None:
    sent = [data.draw(st.from_type(message)), data.draw(st.from_type(message))]
    arrived = unpack(pack(sent))
    assert arrived == sent
    assert [type(each) for each in arrived] == [message, message]
