"""The market's fee, which is on the seller's side: what the buyer pays is the price, and nothing is added to it."""

# A hundredth of a percent is the smallest step of FEE_PERCENT, and a ten-thousandth of the price.
_WHOLE = 10_000


def fee_of(price: int, hundredths: int) -> int:
    """Return the fee in cents of a price in cents, rounded half up, at so many hundredths of a percent."""
    return (price * hundredths + _WHOLE // 2) // _WHOLE


def highest_price(face_value: int, hundredths: int) -> int:
    """Return the most cents that a ticket may cost, at so many hundredths of a percent of its face value in cents."""
    return face_value * hundredths // _WHOLE


def spoken_percent(hundredths: int) -> str:
    """Return hundredths of a percent as people write them: 850 is "8.5 %"."""
    return f"{hundredths / 100:g} %"
