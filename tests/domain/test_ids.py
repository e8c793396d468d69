import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.ids import derived_id, fingerprint, is_id


@pytest.mark.parametrize("text", ["0" * 24, "0123456789abcdef01234567"])
def test_24_hexadecimal_digits_are_an_id(text: str) -> None:
    assert is_id(text)


@pytest.mark.parametrize(
    "text", ["", "0" * 23, "0" * 25, "A" * 24, "g" * 24, "0" * 24 + "\n", "\u0660" * 24, 0, None, b"0" * 24]
)
def test_nothing_else_is_an_id(text: object) -> None:
    assert not is_id(text)


@given(st.lists(st.text()))
def test_a_derived_id_is_an_id_and_always_the_same(parts: list[str]) -> None:
    assert is_id(derived_id(*parts))
    assert derived_id(*parts) == derived_id(*parts)


@given(st.lists(st.text()), st.lists(st.text()))
def test_different_parts_have_different_fingerprints(one: list[str], other: list[str]) -> None:
    assert (fingerprint(*one) == fingerprint(*other)) is (one == other)


@pytest.mark.parametrize(("one", "other"), [(("ab", "c"), ("a", "bc")), (("1:a",), ("", "a")), (("a",), ("a", ""))])
def test_parts_do_not_run_together(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert fingerprint(*one) != fingerprint(*other)
