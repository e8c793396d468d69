"""``holdfast top``: the market as it is now, once a second, in the terminal."""
