"""Whatever a market that follows the model tells is accepted, and a lie in it is mostly found."""

import random
from dataclasses import replace

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cli.history.linearizability import violations
from cli.history.operations import History, Kind, Operation
from tests.chaos.invented import PRICES, invented

# In longer ones some are not decided, and lies take minutes to refute.
STEPS = 40
LIES = 60


@settings(max_examples=150, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.integers(0, 2**32), st.integers(1, STEPS))
def test_histories_of_the_model_are_explained_however_their_intervals_overlap(seed: int, steps: int) -> None:
    history = invented(random.Random(seed), steps)  # noqa: S311 - no secret
    assert violations(history) == []


def test_most_lies_in_such_a_history_are_found() -> None:
    # A lie may happen to be true, as where nobody looked at what it is about.
    found = 0
    for seed in range(LIES):
        chance = random.Random(seed)  # noqa: S311 - no secret
        found += bool(violations(with_a_lie(invented(chance, STEPS), chance)))
    assert found > 0.9 * LIES


def with_a_lie(history: History, chance: random.Random) -> History:
    """The history with one answer that differs."""
    lying = chance.choice([one for one in history.operations if one.is_certain and one.kind is not Kind.LIST])
    operations = [_lie(one, chance) if one is lying else one for one in history.operations]
    return replace(history, operations=tuple(operations))


def _lie(one: Operation, chance: random.Random) -> Operation:
    answer = dict(one.answer)
    if one.kind is Kind.READ_TICKET:
        answer["orderId"] = "nobody's order"
    elif "place" in answer:
        answer["place"] += 1
    elif "price" in answer:
        answer["price"] = chance.choice([price for price in PRICES if price != answer["price"]])
    elif one.status == 204:
        return replace(one, status=409, answer={"message": "This order is paid and complete."})
    elif one.kind is Kind.PAY and one.status in (200, 201):
        return replace(one, status=201 if one.status == 200 else 200)
    else:
        answer["message"] = "The seller has withdrawn this ticket, or so they say."
    return replace(one, answer=answer)
