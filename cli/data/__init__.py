"""``holdfast backup``, ``restore``, ``rebuild`` and ``migrate``: the market's data as a whole."""
