"""`holdfast up`: the servers and processes of a market on one machine."""
