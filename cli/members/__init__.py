"""``holdfast scale``, ``pin`` and ``unpin``: which actors share the ids of a running market."""
