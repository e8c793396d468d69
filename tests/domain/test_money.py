import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.money import MAX_CENTS, MIN_CENTS, format_amount, parse_amount, to_major_units

ALLOWED = st.integers(MIN_CENTS, MAX_CENTS)


@given(ALLOWED)
def test_an_amount_survives_the_way_out_as_json_and_back(amount: int) -> None:
    assert parse_amount(json.loads(json.dumps(to_major_units(amount)))) == amount


@given(ALLOWED)
def test_an_amount_survives_the_way_out_as_text_and_back(amount: int) -> None:
    assert parse_amount(format_amount(amount).replace(",", "")) == amount


@given(st.integers(1, MAX_CENTS // 100))
def test_whole_numbers_are_major_units(amount: int) -> None:
    assert parse_amount(amount) == parse_amount(str(amount)) == parse_amount(float(amount)) == amount * 100


@pytest.mark.parametrize(
    ("amount", "expected"), [(19.99, 1_999), ("0.50", 50), (" 12.5 ", 1_250), ("999999.99", MAX_CENTS), ("1e2", 10_000)]
)
def test_an_amount_is_read_to_the_cent(amount: float | str, expected: int) -> None:
    assert parse_amount(amount) == expected


@pytest.mark.parametrize(
    "amount",
    [
        True,
        False,
        "",
        "abc",
        "1,50",
        "1_0",
        float("nan"),
        float("inf"),
        float("-inf"),
        "NaN",
        "sNaN",
        "Infinity",
        "0x10",
    ],
)
def test_an_amount_that_is_not_a_number_is_rejected(amount: float | str) -> None:
    with pytest.raises(ValueError, match="must be a number"):
        parse_amount(amount)


@pytest.mark.parametrize("amount", ["1" * 33, "0" * 1_000_000, "9" * 1_000_000, "1." + "0" * 1_000_000])
def test_a_huge_text_is_rejected_unread(amount: str) -> None:
    with pytest.raises(ValueError, match="must be a number"):
        parse_amount(amount)


@pytest.mark.parametrize(
    "amount", [0, 0.49, "0.49", "0.4999999999", -1, "-0.50", 1_000_000, 999_999.991, "1e400", "1e-400", 1e300, 10**400]
)
def test_an_amount_out_of_bounds_is_rejected(amount: float | str) -> None:
    with pytest.raises(ValueError, match="between"):
        parse_amount(amount)


@pytest.mark.parametrize("amount", [1.005, "1.005", "12.345", "0.501", 0.1 + 0.2 + 0.3])
def test_a_third_decimal_is_rejected(amount: float | str) -> None:
    with pytest.raises(ValueError, match="at most two decimals"):
        parse_amount(amount)


def test_a_decimal_beyond_the_precision_of_the_context_is_rejected() -> None:
    with pytest.raises(ValueError, match="at most two decimals"):
        parse_amount("1.00000000000000000000000000001")


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.decimals().map(str)))
def test_every_accepted_amount_is_within_the_bounds(amount: float | str) -> None:
    try:
        accepted = parse_amount(amount)
    except ValueError:
        return
    assert isinstance(accepted, int)
    assert MIN_CENTS <= accepted <= MAX_CENTS


@pytest.mark.parametrize(("amount", "text"), [(50, "0.50"), (1_250, "12.50"), (MAX_CENTS, "999,999.99")])
def test_an_amount_is_formatted_as_people_write_it(amount: int, text: str) -> None:
    assert format_amount(amount) == text
