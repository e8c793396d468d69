"""Measurements of one machine with everything on it. `make bench` runs them; nothing here is imported elsewhere."""
