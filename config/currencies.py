"""Which currencies a market can be in, and the smallest and largest amounts that Stripe takes in each.

Source: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts. Stripe names no minimum for other
currencies: there it depends on the account's own, so a price could be listed and held that nobody can ever pay.
"""

# Smallest charge per currency, in its minor unit.
MINIMUM_AMOUNTS = {
    "aed": 200,
    "aud": 50,
    "bgn": 100,
    "brl": 50,
    "cad": 50,
    "chf": 50,
    "czk": 1500,
    "dkk": 250,
    "eur": 50,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "inr": 50,
    "jpy": 50,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "nzd": 50,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "sgd": 50,
    "thb": 1000,
    "usd": 50,
}
MAXIMUM_AMOUNT = 99_999_999

# Every price is an integer of cents here, and one yen has none.
_ZERO_DECIMAL = {"jpy"}
MARKET_CURRENCIES = frozenset(MINIMUM_AMOUNTS.keys() - _ZERO_DECIMAL)
