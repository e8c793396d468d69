"""``holdfast backup``, ``restore``, ``rebuild``, ``archive`` and ``migrate``: the market's data as a whole."""
