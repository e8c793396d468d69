"""Money is an integer of cents, never a float; only the HTTP edge speaks major units."""

from decimal import Context, Decimal, InvalidOperation

from config.currencies import MAXIMUM_AMOUNT, MINIMUM_AMOUNTS

MIN_CENTS = 50
MAX_CENTS = MAXIMUM_AMOUNT
DECIMALS = 2
LONGEST_TEXT = 32
# Enough digits for every text that is read, so that no decimal is rounded away before it is counted.
_EXACT = Context(prec=LONGEST_TEXT + DECIMALS)


def least_price(currency: str) -> int:
    """Return the lowest price in cents that a ticket can be listed at: less could never be paid."""
    return max(MIN_CENTS, MINIMUM_AMOUNTS[currency])


def parse_amount(amount: float | str, *, least: int = MIN_CENTS) -> int:
    """The cents of an amount in major units, such as 12.5, "12.50" or 12.

    Raises ValueError, with a sentence fit for a user, when it is no number, has more than two decimals or lies
    outside `least` cents, 0.50 unless told otherwise, to 999,999.99.
    """
    if isinstance(amount, bool):
        raise ValueError("price must be a number")  # noqa: TRY004 - one kind of mistake, one kind of error
    try:
        # A float's repr is the shortest text that reads back as the same float: 19.99 stays 19.99.
        value = (
            Decimal(amount if isinstance(amount, int) else str(amount).strip()) if _short(amount) else Decimal("NaN")
        )
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise ValueError("price must be a number")
    if not Decimal(least).scaleb(-DECIMALS) <= value <= Decimal(MAX_CENTS).scaleb(-DECIMALS):
        raise ValueError(f"price must be between {format_amount(least)} and {format_amount(MAX_CENTS)}")
    scaled = value.scaleb(DECIMALS, _EXACT)
    if scaled != scaled.to_integral_value():
        raise ValueError("price must have at most two decimals")
    return int(scaled)


def to_major_units(amount: int) -> float:
    """The amount of cents as a JSON number in major units; exact to the cent in the whole allowed range."""
    return amount / 100


def format_amount(amount: int) -> str:
    """The amount of cents as people write it: 1250 is "12.50"."""
    return f"{amount // 100:,}.{amount % 100:02d}"


def _short(amount: float | str) -> bool:
    """Keeps Decimal away from texts of a million digits."""
    return not isinstance(amount, str) or (len(amount) <= LONGEST_TEXT and "_" not in amount)
