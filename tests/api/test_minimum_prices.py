"""What is listed can be paid: Stripe takes no less than its minimum in the currency of the market."""

import pytest

from actors.domain.instants import Instant
from actors.domain.money import format_amount, least_price, to_major_units
from config.currencies import MARKET_CURRENCIES, MINIMUM_AMOUNTS
from serve_app.http.errors import RequestValidationError
from serve_app.schemas.body import Rules
from serve_app.schemas.tickets import TicketBody

NOW: Instant = 1_800_000_000_000


def listed(currency: str, price: float) -> TicketBody:
    return TicketBody.of({"title": "Hamlet", "price": price}, Rules(NOW, currency, 15))


@pytest.mark.parametrize("currency", sorted(MARKET_CURRENCIES))
def test_a_price_below_what_stripe_takes_is_refused_and_the_minimum_named(currency: str) -> None:
    least = least_price(currency)
    assert least >= MINIMUM_AMOUNTS[currency]
    assert listed(currency, to_major_units(least)).details().price == least
    with pytest.raises(RequestValidationError) as refused:
        listed(currency, to_major_units(least - 1))
    assert format_amount(least) in refused.value.fields["price"]


@pytest.mark.parametrize(
    ("currency", "minimum"), [("sek", "3.00"), ("huf", "175.00"), ("usd", "0.50"), ("gbp", "0.50")]
)
def test_the_minimum_price_is_stripes_and_never_below_half_a_unit(currency: str, minimum: str) -> None:
    assert format_amount(least_price(currency)) == minimum
